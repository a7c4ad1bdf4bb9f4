// Enhances the pages: keeps them up to date, loads details in place, and copies links. It fetches the same pages to
// which the links lead, and changes only the parts that differ.
'use strict';

// The shortest and the longest interval between refreshes, in milliseconds. The interval grows while nothing changes.
const SHORTEST = 2000;
const LONGEST = 15000;

// A page that covers many services waits at least this many times as long as its last refresh took.
const REST = 10;

document.documentElement.classList.add('scripted');

// Makes an element equal to a newer version. Elements are matched by id; those that are equal stay untouched, and so do
// focus, selection, open details, and what was loaded into the page.
const morph = (old, fresh) => {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName) return old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  const wasLoaded = 'loaded' in old.dataset;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== 'open' && name !== 'data-loaded') old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== 'open' && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (wasLoaded && !('loaded' in fresh.dataset)) {
    old.dataset.loaded = 'here';
    return;
  }
  if (old.matches('input, select, textarea')) return;
  morphChildren(old, fresh);
};

const morphChildren = (old, fresh) => {
  const known = new Map([...old.children].filter((one) => one.id).map((one) => [one.id, one]));
  const stay = new Set([...fresh.children].map((one) => one.id));
  let at = old.firstChild;
  const drop = () => {
    const next = at.nextSibling;
    at.remove();
    at = next;
  };
  for (const child of [...fresh.childNodes]) {
    while (at?.id && !stay.has(at.id)) drop();
    const same = child.id ? known.get(child.id) : at && !at.id && at.nodeName === child.nodeName ? at : null;
    if (!same) {
      old.insertBefore(child, at);
      continue;
    }
    if (same === at) at = at.nextSibling;
    else old.insertBefore(same, at);
    morph(same, child);
  }
  while (at) drop();
};

// The server's time, advanced since the page was sent.
let asOf = null;
const readTime = () => {
  const now = document.querySelector('[data-now]')?.dataset.now;
  if (now && now !== asOf?.text) asOf = { text: now, at: performance.now() };
};
const duration = (seconds) => {
  const two = (large, unit, small, part) => (small ? `${large} ${unit} ${small} ${part}` : `${large} ${unit}`);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return two(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  if (seconds < 86400) return two(Math.floor(seconds / 3600), 'h', Math.floor((seconds % 3600) / 60), 'min');
  return two(Math.floor(seconds / 86400), 'd', Math.floor((seconds % 86400) / 3600), 'h');
};
setInterval(() => {
  readTime();
  if (!asOf || document.hidden) return;
  const now = Number(asOf.text) + performance.now() - asOf.at;
  for (const one of document.querySelectorAll('.elapsed')) {
    const text = duration(Math.max(0, Math.floor((now - one.dataset.from) / 1000)));
    if (one.firstChild && one.textContent !== text) one.firstChild.nodeValue = text;
  }
}, 1000);

const tags = new Map();

// Fetches a page. Returns null if the page has not changed since the last fetch.
const page = async (address) => {
  const tag = tags.get(address);
  const response = await fetch(address, { cache: 'no-store', headers: tag ? { 'If-None-Match': tag } : {} });
  if (response.status === 304) return null;
  if (response.status >= 500) throw new Error(String(response.status));
  tags.set(address, response.headers.get('etag'));
  return new DOMParser().parseFromString(await response.text(), 'text/html');
};

// The part of another page that an element loads as its content.
const partOf = (holder, fetched) => {
  const part = fetched.querySelector(holder.dataset.part);
  if (!part) return null;
  const fresh = holder.cloneNode(false);
  if (part.id === holder.id) {
    fresh.append(...part.childNodes);
  } else {
    // Its row has the same heading.
    part.removeAttribute('id');
    part.querySelector('header')?.remove();
    fresh.append(part);
  }
  fresh.dataset.loaded = 'here';
  return fresh;
};

const load = async (holder) => {
  const address = holder.dataset.load;
  if (!('loaded' in holder.dataset)) tags.delete(address);
  const fetched = await page(address);
  const fresh = fetched && partOf(holder, fetched);
  if (!fresh) return Boolean(fetched);
  const waiting = !('loaded' in holder.dataset);
  if (waiting) holder.replaceChildren();
  holder.dataset.loaded = 'here';
  morph(holder, fresh);
  return true;
};

// Loads the content of elements that are opened.
document.addEventListener(
  'toggle',
  (event) => {
    const holder = event.target.open && event.target.querySelector(':scope > [data-load]:not([data-loaded])');
    if (holder) load(holder).catch(() => lost(true));
    soon();
  },
  true,
);

const lost = (is) => {
  const sign = document.getElementById('lost');
  if (sign) sign.hidden = !is;
};

const refreshPage = async () => {
  const live = document.querySelector('main > [data-live]');
  if (!live) return false;
  const fetched = await page(location.href.split('#')[0]);
  if (!fetched) return false;
  const fresh = fetched.getElementById(live.id);
  if (fresh) morph(live, fresh);
  else morph(document.querySelector('main'), fetched.querySelector('main') ?? document.createElement('main'));
  return true;
};

// Refreshes the page, and the loaded content that is open.
const refreshAll = async () => {
  const focused = document.activeElement;
  let changed = await refreshPage();
  for (const holder of document.querySelectorAll('details[open] > [data-loaded=here]')) {
    const ended = holder.querySelector(':scope > article:not([data-live])');
    if (!ended && holder.isConnected) changed = (await load(holder)) || changed;
  }
  if (document.activeElement === document.body && focused?.isConnected) focused.focus({ preventScroll: true });
  return changed;
};

let interval = SHORTEST;
let timer = null;
const soon = () => {
  interval = SHORTEST;
  clearTimeout(timer);
  timer = setTimeout(refresh, interval);
};
const refresh = async () => {
  const began = performance.now();
  let rest = 0;
  try {
    if (!document.hidden) {
      interval = (await refreshAll()) ? SHORTEST : Math.min(interval * 1.5, LONGEST);
      if (document.querySelector('main > [data-rest]')) rest = REST * (performance.now() - began);
      lost(false);
    }
  } catch {
    lost(true);
  } finally {
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(interval, rest));
  }
};
document.addEventListener('visibilitychange', soon);
soon();

// Copies the address that a button names. Pages without TLS have no other way to use the clipboard.
document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('button.copy');
  if (!button) return;
  const link = button.parentElement.querySelector('a');
  try {
    await navigator.clipboard.writeText(link.href);
  } catch {
    const text = document.createElement('textarea');
    text.value = link.href;
    button.after(text);
    text.select();
    document.execCommand('copy');
    text.remove();
    button.focus();
  }
  button.textContent = 'Copied';
});

// The dashboard uses the browser's time zone, unless its address names another.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !['UTC', 'Etc/Unknown'].includes(zone)) {
  for (const link of document.querySelectorAll('nav a[href$="/dashboard"]')) link.search = new URLSearchParams({ time_zone: zone });
  if (document.querySelector('[data-choose-zone]')) {
    const address = new URL(location.href);
    address.searchParams.set('time_zone', zone);
    location.replace(address);
  }
}

// Changing one of the dashboard's two times selects the custom period.
for (const moment of document.querySelectorAll('.moments input')) {
  moment.addEventListener('change', () => (document.getElementById('period').value = 'chosen'));
}

// What the pages do beyond links: refresh what is open, show details in place, and tell of a bar what it is. All of it
// asks the server for the same pages that the links lead to.
'use strict';

const EVERY = 2000;

const page = async (address) => {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
};

// Puts the newer of two versions of an element in place, and leaves open what the reader has opened.
const renew = (old, fresh) => {
  const open = new Set([...old.querySelectorAll('details[open]')].map((one) => one.id));
  for (const one of fresh.querySelectorAll('details')) one.open = open.has(one.id);
  const focus = old.contains(document.activeElement) && document.activeElement.getAttribute('href');
  const scroll = old.querySelector('.timeline')?.scrollLeft ?? 0;
  old.replaceWith(fresh);
  const timeline = fresh.querySelector('.timeline');
  if (timeline) timeline.scrollLeft = scroll;
  if (focus) fresh.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
};

const dialog = document.getElementById('details');
let shown = null;

const refresh = async () => {
  try {
    if (document.hidden) return;
    const old = document.querySelector('main > [data-live]');
    if (old) {
      const fresh = (await page(location.href)).getElementById(old.id);
      if (fresh) renew(old, fresh);
    }
    const detail = dialog?.open && dialog.querySelector('[data-live]');
    if (detail && shown) {
      const fresh = (await page(shown)).getElementById('element');
      if (fresh) detail.replaceWith(fresh);
    }
  } catch {
    // The server is away for a moment: the next round tries again.
  } finally {
    setTimeout(refresh, EVERY);
  }
};
setTimeout(refresh, EVERY);

// Details in place of the page that the link leads to; with a modifier key the link stays a link.
document.addEventListener('click', async (event) => {
  const link = event.target.closest?.('#journey a.element');
  if (!link || !dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const address = link.getAttribute('href');
  try {
    const fresh = (await page(address)).getElementById('element');
    shown = address;
    dialog.querySelector('.content').replaceChildren(fresh);
    hide();
    dialog.showModal();
  } catch {
    location.assign(address);
  }
});
dialog?.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close();
});

// Who changes a moment of the dashboard's period means it.
for (const moment of document.querySelectorAll('.moments input')) {
  moment.addEventListener('change', () => (document.getElementById('period').value = 'chosen'));
}

const tip = document.getElementById('tip');

const hide = () => {
  if (tip) tip.hidden = true;
};
const tell = (event) => {
  const bar = event.target.closest?.('a.bar');
  if (!tip || !bar) return hide();
  tip.textContent = bar.getAttribute('aria-label');
  tip.hidden = false;
  const place = bar.querySelector('rect').getBoundingClientRect();
  const width = tip.offsetWidth;
  tip.style.left = `${Math.max(8, Math.min(place.left, innerWidth - width - 8))}px`;
  const below = place.bottom + 8;
  tip.style.top = `${below + tip.offsetHeight > innerHeight ? place.top - tip.offsetHeight - 8 : below}px`;
};
document.addEventListener('mouseover', tell);
document.addEventListener('focusin', tell);
document.addEventListener('focusout', hide);
document.addEventListener('scroll', hide, true);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') hide();
});

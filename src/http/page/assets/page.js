// Enhances the pages: refreshes open items, shows details in a dialog, and shows tooltips of bars. It fetches the same
// pages that the links lead to.
'use strict';

// The refresh interval, in milliseconds.
const INTERVAL = 2000;

const page = async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(String(response.status));
  return new DOMParser().parseFromString(await response.text(), 'text/html');
};

// Replaces an element with a newer version. Keeps open tables, the scroll position and the focus.
const replace = (old, fresh) => {
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
      if (fresh) replace(old, fresh);
    }
    const detail = dialog?.open && dialog.querySelector('[data-live]');
    if (detail && shown) {
      const fresh = (await page(shown)).getElementById('element');
      if (fresh) detail.replaceWith(fresh);
    }
  } catch {
    // The server is unavailable; the next refresh tries again.
  } finally {
    setTimeout(refresh, INTERVAL);
  }
};
setTimeout(refresh, INTERVAL);

// Shows details in a dialog instead of following the link, unless a modifier key is held.
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

// Changing one of the dashboard's two times selects the custom period.
for (const moment of document.querySelectorAll('.moments input')) {
  moment.addEventListener('change', () => (document.getElementById('period').value = 'chosen'));
}

const tip = document.getElementById('tip');

const hide = () => {
  if (tip) tip.hidden = true;
};
const show = (event) => {
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
document.addEventListener('mouseover', show);
document.addEventListener('focusin', show);
document.addEventListener('focusout', hide);
document.addEventListener('scroll', hide, true);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') hide();
});

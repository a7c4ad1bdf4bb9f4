// Records the elements that get the focus, and faults in how they show it, in window.reached, which the tests read.
const reachable = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
const all = [...document.querySelectorAll(reachable)].filter((one) => one.checkVisibility({ visibilityProperty: true }));
const seen = new Set();
const complaintAbout = (at) => {
  const style = getComputedStyle(at);
  const contrast = contrastOf(parse(style.outlineColor), behind(at.parentElement));
  if (!at.matches(':focus-visible') || style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) return 'no outline';
  if (contrast < 3) return `an outline with a contrast of ${contrast}`;
  return at.getBoundingClientRect().right > 0 ? null : 'outside of the window';
};
window.reached = { all: false, complaints: [], missing: () => all.filter((one) => !seen.has(one)).map(shown) };
const shown = (element) => element.outerHTML.slice(0, 160);
document.addEventListener('focusin', ({ target }) => {
  // The focus is back at the first element.
  if (target === all[0] && seen.size > 1) window.reached.all = true;
  const complaint = seen.has(target) ? null : complaintAbout(target);
  if (complaint) window.reached.complaints.push(`${complaint}: ${shown(target)}`);
  seen.add(target);
});
document.activeElement.blur();
document.body.tabIndex = -1;
document.body.focus();

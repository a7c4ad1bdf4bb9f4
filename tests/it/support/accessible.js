// Faults that keep people from reading or using a page: controls without a name, text without contrast, and a page
// wider than its window. Returns a list of complaints.
const complaints = [];
const tell = (what, element) => complaints.push(`${what}: ${element.outerHTML.slice(0, 160)}`);

const named = (element) =>
  element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.length || element.alt || element.value;
for (const element of document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')) {
  if (!named(element)) tell('no name', element);
}
for (const image of document.querySelectorAll('img:not([alt]), svg:not([aria-label]):not([aria-hidden])')) tell('no text', image);
const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
for (const id of ids.filter((one, at) => ids.indexOf(one) !== at)) complaints.push(`two elements have the id ${id}`);
for (const cell of document.querySelectorAll('thead th, tbody th')) if (!cell.scope) tell('no scope', cell);
if (!document.documentElement.lang || !document.title) complaints.push('no language or title');
if (document.querySelectorAll('h1').length !== 1) complaints.push('not one heading');

const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.getClientRects().length || element.closest('title, noscript')) continue;
  const style = getComputedStyle(element);
  const contrast = contrastOf(parse(element instanceof SVGElement ? style.fill : style.color), behind(element));
  if (contrast < 4.5) tell(`contrast ${contrast.toFixed(2)}`, element);
}
for (const text of document.querySelectorAll('svg text')) {
  const { left, right } = text.getBoundingClientRect();
  if (left < 0 || right > document.documentElement.clientWidth) tell('off the page', text);
}
const width = document.documentElement.scrollWidth;
// A phone zooms out, so that its window is always as wide as the page.
if (width > document.documentElement.clientWidth) {
  const isWide = (element) => element.getBoundingClientRect().right >= width - 1;
  tell(`wider than the window, ${width}`, [...document.querySelectorAll('body, body *')].filter(isWide).at(-1) ?? document.body);
}
return complaints;

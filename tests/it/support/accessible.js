// What keeps a page from being read and used by everybody: controls without a name, text without contrast, and more
// width than there is. Gives a list of complaints.
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

const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const parse = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => {
  const part = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = (element) => {
  const bar = element.closest('a.bar');
  if (bar && bar.querySelector('.edge')) return parse(getComputedStyle(bar.querySelector('.body')).fill);
  for (let one = element; one; one = one.parentElement) {
    const colour = parse(getComputedStyle(one).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.getClientRects().length || element.closest('title, noscript')) continue;
  const style = getComputedStyle(element);
  const ink = parse(element.closest('svg') ? style.fill : style.color);
  const [light, dark] = [luminance(ink), luminance(behind(element))].sort((a, b) => b - a);
  const contrast = (light + 0.05) / (dark + 0.05);
  if (contrast < 4.5) tell(`contrast ${contrast.toFixed(2)}`, element);
}
if (document.documentElement.scrollWidth > innerWidth) complaints.push(`wider than the window: ${document.documentElement.scrollWidth}`);
return complaints;

// Shapes and texts that cannot be told from their surroundings, or are cut off, where the colours of a page are not its
// own: on paper, and with forced colours. Returns a list of complaints.
const complaints = [];
const tell = (what, element) => complaints.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
const paper = matchMedia('print').matches;
// Printers leave out backgrounds.
const ground = (element) => (paper ? [255, 255, 255, 255] : behind(element));
const mixed = (colour, opacity, under) => {
  const share = (colour[3] / 255) * opacity;
  return under.map((part, at) => colour[at] * share + part * (1 - share));
};

// Grids, and pauses that are drawn shorter, are only aids; areas that the pointer hits are invisible.
const decoration = '.grid, .cut, .hit, .track';
for (const shape of document.querySelectorAll('main svg :is(rect, line, circle, path)')) {
  const style = getComputedStyle(shape);
  const box = shape.getBoundingClientRect();
  if (shape.matches(decoration) || shape.closest('symbol, defs') || !shape.checkVisibility() || box.width < 1) continue;
  if (shape.nodeName === 'rect' && box.height < 1) continue;
  const under = ground(shape);
  const paints = [[style.fill, style.fillOpacity], [style.stroke, style.strokeOpacity]];
  const inks = paints.filter(([ink]) => ink !== 'none').map(([ink, opacity]) => mixed(parse(ink), Number(opacity), under));
  const isPattern = style.fill.startsWith('url(');
  if (!isPattern && !inks.some((ink) => contrastOf(ink, under) >= 3)) tell('a shape without contrast', shape);
}
const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest('title, noscript')) continue;
  const style = getComputedStyle(element);
  const ink = parse(element instanceof SVGElement ? style.fill : style.color);
  if (contrastOf(ink, ground(element)) < 4.5) tell(`text in ${style.color}`, element);
}
for (const element of document.querySelectorAll('body *')) {
  const style = getComputedStyle(element);
  const clips = style.overflowX !== 'visible' && !(element instanceof SVGElement) && !element.matches('input, select, button');
  if (paper && clips && element.checkVisibility() && element.scrollWidth > element.clientWidth + 1) {
    tell(`cut off by ${element.scrollWidth - element.clientWidth}`, element);
  }
}
const width = document.documentElement.scrollWidth;
if (width > document.documentElement.clientWidth) complaints.push(`wider than the page: ${width}`);
return complaints;

// The labels of charts that overlap, or that are cut off at the edge of the chart. Only the visible part of a label
// counts.
const visible = (text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  const chart = text.farthestViewportElement;
  const edge = chart.getBoundingClientRect();
  const cut = left < edge.left - 1 || right > edge.right + 1;
  const part = text.parentElement.closest('svg');
  // The box of a part is the box of its content, so its own edges are computed.
  const from = part === chart ? edge.left : edge.left + part.x.baseVal.value;
  const to = part === chart ? edge.right : from + part.width.baseVal.value;
  return { text: text.textContent, left: Math.max(left, from), right: Math.min(right, to), top, bottom, cut };
};
const found = [];
for (const chart of document.querySelectorAll('svg:not(svg svg)')) {
  const texts = [...chart.querySelectorAll('text')].map(visible).filter((one) => one.right > one.left);
  texts.forEach((one, at) => {
    if (one.cut && chart.matches('.over-time')) found.push(`${one.text} is cut off`);
    for (const other of texts.slice(at + 1)) {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (across > 0.5 && down > 0.5) found.push(`${one.text} / ${other.text}`);
    }
  });
}
return found;

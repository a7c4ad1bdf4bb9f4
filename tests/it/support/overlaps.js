// The labels of charts that overlap, or that are cut off at the edge of the chart, or of their part of a bar.
const label = (text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  const room = (text.closest('foreignObject') ?? text.farthestViewportElement).getBoundingClientRect();
  const seen = top < room.bottom - 1 && right > left;
  return { text: text.textContent, left, right, top, bottom, seen, cut: left < room.left - 1 || right > room.right + 1 };
};
const found = [];
for (const chart of document.querySelectorAll('svg:not(svg svg)')) {
  const texts = [...chart.querySelectorAll('text, foreignObject span')].map(label).filter((one) => one.seen);
  texts.forEach((one, at) => {
    if (one.cut) found.push(`${one.text} is cut off`);
    for (const other of texts.slice(at + 1)) {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (across > 0.5 && down > 0.5) found.push(`${one.text} / ${other.text}`);
    }
  });
}
return found;

// The labels of charts that overlap, or that are cut off at the edge of the chart. Only what is visible of a label counts.
const visible = (text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  const box = { text: text.textContent, left, right, top, bottom };
  for (let part = text.parentElement.closest('svg'); part; part = part.parentElement.closest('svg')) {
    if (getComputedStyle(part).overflow === 'visible') continue;
    const clip = part.getBoundingClientRect();
    box.cut ||= part === text.farthestViewportElement && (left < clip.left - 1 || right > clip.right + 1);
    box.left = Math.max(box.left, clip.left);
    box.right = Math.min(box.right, clip.right);
  }
  return box;
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

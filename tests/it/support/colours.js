// Colours as the screen shows them. The other scripts begin with this one.
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
  for (let one = element; one; one = one.parentElement) {
    const colour = parse(getComputedStyle(one).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
// The contrast between a colour and the colour behind it, as WCAG defines it: from 1 to 21.
const contrastOf = (colour, ground) => {
  const [light, dark] = [luminance(colour), luminance(ground)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};

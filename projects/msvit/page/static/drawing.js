// The pictures.

// The ends and knots of matplotlib's inferno.
const HEAT = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];
const OPACITY = 0.7;

/** The image as the model sees it. */
export function drawImage(canvas, image) {
  paint(canvas, image.height, image.width, (i) => [image.data[3 * i], image.data[3 * i + 1], image.data[3 * i + 2]]);
}

/** Coarse regions as flat tiles of their mean colour, fine ones with the borders of their tokens. */
export function drawTiles(canvas, image, fineMask, [rows, columns], patch, region) {
  const sums = new Float64Array(rows * columns * 4);
  const regionOf = (x, y) => Math.floor(y / region) * columns + Math.floor(x / region);
  for (let y = 0, i = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++, i++) {
      const at = 4 * regionOf(x, y);
      for (let channel = 0; channel < 3; channel++) sums[at + channel] += image.data[3 * i + channel];
      sums[at + 3] += 1;
    }
  }
  paint(canvas, image.height, image.width, (i) => {
    const x = i % image.width;
    const y = Math.floor(i / image.width);
    const at = regionOf(x, y);
    if (fineMask[at]) return [image.data[3 * i], image.data[3 * i + 1], image.data[3 * i + 2]];
    return [0, 1, 2].map((channel) => sums[4 * at + channel] / sums[4 * at + 3]);
  });
  const context = canvas.getContext('2d');
  context.fillStyle = 'rgba(0, 0, 0, 0.45)';
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const step = fineMask[row * columns + column] ? patch : region;
      for (let offset = 0; offset < region; offset += step) {
        context.fillRect(column * region, row * region + offset, region, 1);
        context.fillRect(column * region + offset, row * region, 1, region);
      }
    }
  }
}

/** One value in 0..1 for each region as heat. */
export function drawHeat(canvas, values, [rows, columns], height, width, region) {
  paint(canvas, height, width, (i) => {
    const at = Math.floor(i / width / region) * columns + Math.floor((i % width) / region);
    return heat(values[at]);
  });
}

/** Class colours over the image. */
export function drawLabels(canvas, image, labels, palette) {
  paint(canvas, image.height, image.width, (i) => {
    const colour = palette[Number(labels[i])];
    return [0, 1, 2].map((channel) => OPACITY * colour[channel] + (1 - OPACITY) * image.data[3 * i + channel]);
  });
}

function heat(value) {
  const place = Math.min(1, Math.max(0, value)) * (HEAT.length - 1);
  const first = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[first].map((from, channel) => from + (place - first) * (HEAT[first + 1][channel] - from));
}

function paint(canvas, height, width, colourOf) {
  canvas.height = height;
  canvas.width = width;
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    const [red, green, blue] = colourOf(i);
    pixels.data.set([red + 0.5, green + 0.5, blue + 0.5, 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}

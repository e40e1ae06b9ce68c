// From a file to the pixels that the model sees, resized as msvit.runtime does it in Python.

const LARGEST = 4096; // of a decoded side: what browsers hold without trouble
const LONGEST_ASPECT = 4;

/** Decode an image file; transparent pixels lie on white. Gives {data: Float32Array (H*W*3), height, width}. */
export async function decode(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', imageOrientation: 'from-image' });
  } catch {
    throw new Error('is no image that this browser can read');
  }
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const data = new Float32Array(canvas.width * canvas.height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    data[to++] = rgba[from];
    data[to++] = rgba[from + 1];
    data[to++] = rgba[from + 2];
  }
  return { data, height: canvas.height, width: canvas.width };
}

/** An image at the size at which the model sees it. */
export function prepare(image, resizing, maxSide) {
  const { height, width } = image;
  const longer = Math.max(height, width);
  const shorter = Math.min(height, width);
  let shape = scaled(image, Math.min(1, maxSide / longer));
  if (resizing.mode === 'stretch') {
    shape = resizing.size;
  } else if (resizing.mode === 'fit') {
    const scale = Math.min(Math.max(...resizing.size) / longer, Math.min(...resizing.size) / shorter);
    shape = scaled(image, Math.min(scale, maxSide / longer));
  } else if (resizing.mode === 'crop') {
    const middle = centre(image, [LONGEST_ASPECT * width, LONGEST_ASPECT * height]);
    return centre(resize(middle, scaled(middle, resizing.edge / shorter), resizing.interpolation), resizing.size);
  }
  return resize(image, shape, resizing.interpolation);
}

/** The graph's input: channels first, normalised unless the graph does that. */
export function toInput(image, info) {
  const pixels = image.height * image.width;
  const input = new Float32Array(3 * pixels);
  const bgr = info.channels === 'BGR' && !info.normalised_inside;
  for (let channel = 0; channel < 3; channel++) {
    const mean = info.normalised_inside ? 0 : Math.fround(info.mean[channel]);
    const std = info.normalised_inside ? 1 : Math.fround(info.std[channel]);
    const from = bgr ? 2 - channel : channel;
    for (let i = 0; i < pixels; i++) {
      input[channel * pixels + i] = Math.fround(image.data[3 * i + from] - mean) / std;
    }
  }
  return input;
}

function scaled({ height, width }, scale) {
  return [Math.max(1, Math.floor(height * scale + 0.5)), Math.max(1, Math.floor(width * scale + 0.5))];
}

function centre(image, [high, wide]) {
  const top = Math.max(0, Math.floor((image.height - high) / 2));
  const left = Math.max(0, Math.floor((image.width - wide) / 2));
  const height = Math.min(high, image.height);
  const width = Math.min(wide, image.width);
  if (height === image.height && width === image.width) return image;
  const data = new Float32Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { data, height, width };
}

function resize(image, [height, width], interpolation) {
  if (height === image.height && width === image.width) return image;
  const across = 3 * image.width;
  const rows = new Float32Array(height * across);
  weightsOf(image.height, height, interpolation).forEach(({ first, weights }, y) => {
    for (let x = 0; x < across; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * image.data[(first + k) * across + x];
      rows[y * across + x] = sum;
    }
  });
  const data = new Float32Array(height * width * 3);
  weightsOf(image.width, width, interpolation).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * rows[y * across + 3 * (first + k) + channel];
        data[(y * width + x) * 3 + channel] = Math.floor(Math.min(255, Math.max(0, sum)) + 0.5);
      }
    }
  });
  return { data, height, width };
}

/** For each resized pixel, how much of which pixels goes into it; shrinking averages over all. */
function weightsOf(length, target, interpolation) {
  const scale = length / target;
  const stretch = Math.max(scale, 1);
  const reach = (interpolation === 'bicubic' ? 2 : 1) * stretch;
  const kernel = interpolation === 'bicubic' ? cubic : (distance) => 1 - distance;
  return Array.from({ length: target }, (_, i) => {
    const middle = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(middle - reach - 0.5) + 1);
    const last = Math.min(length - 1, Math.ceil(middle + reach - 0.5) - 1);
    const weights = [];
    for (let k = first; k <= last; k++) weights.push(kernel(Math.abs(k + 0.5 - middle) / stretch));
    const sum = weights.reduce((one, other) => one + other, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

function cubic(distance) {
  if (distance < 1) return (1.5 * distance - 2.5) * distance ** 2 + 1;
  return ((-0.5 * distance + 2.5) * distance - 4) * distance + 2;
}

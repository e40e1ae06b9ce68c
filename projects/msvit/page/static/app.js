// What happens on the page.

import { drawHeat, drawImage, drawLabels, drawTiles } from './drawing.js';
import { loadModel } from './model.js';
import { decode, prepare, toInput } from './pixels.js';

const $ = (id) => document.getElementById(id);
const SHOWN_CLASSES = 5;

let info = null;
let model = null;
let current = null; // {image, input, dense: ms of the all-fine run}
let wanted = 0; // number of the latest choice of image: what comes late of earlier ones is not shown
let busy = false;
let again = false;

start().catch((error) => fail(`The page could not start: ${error.message}`));

async function start() {
  const response = await fetch('model.json');
  if (!response.ok) throw new Error(`model.json could not be fetched (${response.status})`);
  info = await response.json();
  document.title = info.title;
  $('title').textContent = info.title;
  addSamples();
  listen();
  say('Loading the model …');
  model = await loadModel(info, (share) => {
    $('progress').value = share;
    say(share < 1 ? `Loading the model: ${Math.round(100 * share)} % of ${megabytes(info.bytes)}` : 'Preparing the model …');
  });
  $('progress').hidden = true;
  if (info.threshold !== null) {
    $('setting').hidden = false;
    $('threshold').value = info.threshold;
    showThreshold();
  }
  document.body.dataset.loaded = performance.now();
  if (wanted) return; // an image was chosen meanwhile, and waits
  if (info.samples.length) await takeSample(0);
  else say('Ready: choose a photograph.');
}

function addSamples() {
  info.samples.forEach((sample, number) => {
    const button = document.createElement('button');
    const picture = document.createElement('img');
    button.type = 'button';
    button.setAttribute('aria-pressed', 'false');
    picture.src = sample.file;
    picture.alt = sample.name;
    button.append(picture);
    button.addEventListener('click', () => takeSample(number));
    $('samples').append(button);
  });
}

function listen() {
  $('file').addEventListener('change', (event) => {
    if (event.target.files.length) take(event.target.files[0], event.target.files[0].name);
    event.target.value = ''; // the same file may be chosen again
  });
  $('threshold').addEventListener('input', () => {
    showThreshold();
    refresh();
  });
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) take(file, file.name);
    else fail('What was dropped is no file.');
  });
}

async function takeSample(number) {
  const sample = info.samples[number];
  try {
    const response = await fetch(sample.file);
    if (!response.ok) throw new Error(`could not be fetched (${response.status})`);
    await take(await response.blob(), sample.name, number);
  } catch (error) {
    fail(`${sample.name} ${error.message}.`);
  }
}

/** Show what the model makes of an image. */
async function take(blob, name, sample = -1) {
  const turn = ++wanted;
  forget();
  document.querySelectorAll('#samples button').forEach((button, i) => button.setAttribute('aria-pressed', String(i === sample)));
  say(`Reading ${name} …`);
  let image;
  try {
    image = prepare(await decode(blob), info.resizing, info.max_side);
  } catch (error) {
    if (turn === wanted) fail(`${name} ${error.message}.`);
    return;
  }
  while (!model && turn === wanted) await pause(50);
  if (turn !== wanted) return;
  current = { image, input: toInput(image, info), dense: null };
  await refresh();
}

/** Run the model at the threshold of the slider; if that moves meanwhile, once more. */
async function refresh() {
  if (!current || busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    do {
      again = false;
      const shown = current;
      say('Running the model …');
      await pause(0); // so that the browser can say it
      await run(shown);
      if (shown === current && !again) say('Done.');
    } while (again);
  } catch (error) {
    fail(`The model could not be run: ${error.message}`);
  } finally {
    busy = false;
  }
}

async function run(shown) {
  const { height, width } = shown.image;
  const threshold = info.threshold === null ? null : Number($('threshold').value);
  const mixed = await model.run(shown.input, height, width, threshold);
  if (shown !== current) {
    again = true;
    return;
  }
  show(shown, mixed);
  if (shown.dense === null) {
    await pause(0);
    shown.dense = (await model.run(shown.input, height, width, null)).ms;
    // the first run of a size takes longer, for memory is laid out in it
    const repeated = info.threshold === null ? mixed : await model.run(shown.input, height, width, threshold);
    if (shown === current) showFigures(shown, repeated);
  }
}

function show(shown, result) {
  const { image } = shown;
  drawImage($('image'), image);
  drawTiles($('tiles'), image, result.fineMask, result.grid, info.patch_size, info.coarse_patch_size);
  drawHeat($('p-fine'), result.pFine, result.grid, image.height, image.width, info.coarse_patch_size);
  $('tiles').dataset.fine = Array.from(result.fineMask, (fine) => (fine ? '1' : '0')).join('');
  if (info.task === 'segmentation') showLabels(image, result.labels);
  else showScores(image, result.scores.data);
  $('views').hidden = false;
  showFigures(shown, result);
}

function showFigures(shown, result) {
  const dense = model.denseTokens(shown.image.height, shown.image.width);
  $('tokens').textContent = `${result.tokens} of ${dense}`;
  $('mixed-ms').textContent = `${milliseconds(result.ms)} ms`;
  $('dense-ms').textContent = shown.dense === null ? '…' : `${milliseconds(shown.dense)} ms`;
  $('faster').textContent = shown.dense === null ? '…' : `${(shown.dense / result.ms).toFixed(2)} times`;
  $('figures').hidden = false;
}

function showLabels(image, labels) {
  drawLabels($('labels'), image, labels, info.palette);
  const counts = new Map();
  for (const label of labels) counts.set(Number(label), (counts.get(Number(label)) ?? 0) + 1);
  const present = [...counts].sort((one, other) => other[1] - one[1]);
  $('classes').replaceChildren(...present.map(([label, count]) => classItem(`${info.classes[label]} ${percent(count / labels.length)}`, swatch(info.palette[label]))));
  $('labels').setAttribute('aria-label', `The prediction: ${present.map(([label]) => info.classes[label]).join(', ')}`);
}

function showScores(image, scores) {
  $('prediction').className = 'bars';
  $('labels').hidden = true;
  const shares = info.task === 'multilabel' ? Array.from(scores, (score) => 1 / (1 + Math.exp(-score))) : softmax(scores);
  const best = [...shares.keys()].sort((one, other) => shares[other] - shares[one]).slice(0, SHOWN_CLASSES);
  $('classes').replaceChildren(...best.map((label) => {
    const meter = document.createElement('meter');
    meter.value = shares[label];
    return classItem(`${info.classes[label]} ${percent(shares[label])}`, meter);
  }));
}

function classItem(text, mark) {
  const item = document.createElement('li');
  item.append(mark, text);
  return item;
}

function swatch([red, green, blue]) {
  const space = 'http://www.w3.org/2000/svg';
  const mark = document.createElementNS(space, 'svg');
  const square = document.createElementNS(space, 'rect');
  mark.setAttribute('viewBox', '0 0 1 1');
  mark.setAttribute('aria-hidden', 'true');
  square.setAttribute('width', '1');
  square.setAttribute('height', '1');
  square.setAttribute('fill', `rgb(${red}, ${green}, ${blue})`);
  mark.append(square);
  return mark;
}

function showThreshold() {
  $('threshold-value').textContent = Number($('threshold').value).toFixed(2);
}

function forget() {
  current = null;
  $('error').hidden = true;
}

function say(text) {
  $('status').textContent = text;
}

function fail(text) {
  $('error').textContent = text;
  $('error').hidden = false;
  $('progress').hidden = true;
  say('');
  $('figures').hidden = !current;
  $('views').hidden = !current;
}

function softmax(scores) {
  const highest = Math.max(...scores);
  const shares = Array.from(scores, (score) => Math.exp(score - highest));
  const sum = shares.reduce((one, other) => one + other, 0);
  return shares.map((share) => share / sum);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const milliseconds = (ms) => (ms < 100 ? ms.toFixed(1) : ms.toFixed(0));
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

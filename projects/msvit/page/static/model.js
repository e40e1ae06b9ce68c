// The exported model in ONNX Runtime.

import * as ort from './runtime/ort.wasm.min.mjs';

/** Loads the model; tells(share in 0..1) how far it is. */
export async function loadModel(info, tells) {
  ort.env.wasm.wasmPaths = new URL('./runtime/', import.meta.url).href;
  // threads share memory, which browsers allow to pages with the headers of cross-origin isolation alone
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  const bytes = await download('model.onnx', info.bytes, tells);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  return new Model(session, info);
}

class Model {
  constructor(session, info) {
    this.session = session;
    this.info = info;
  }

  /** Runs the graph on an input of pixels.js; a threshold of null makes every region fine. */
  async run(input, height, width, threshold) {
    const feeds = { images: new ort.Tensor('float32', input, [1, 3, height, width]) };
    if (this.info.threshold !== null) {
      feeds.threshold = new ort.Tensor('float32', [threshold ?? 0], []);
      feeds.budget = new ort.Tensor('int64', [BigInt(threshold === null ? this.regions(height, width) : this.mostFine(height, width))], []);
    }
    const start = performance.now();
    const outputs = await this.session.run(feeds);
    const ms = performance.now() - start;
    const { labels, scores, fine_mask: fineMask, p_fine: pFine, tokens } = outputs;
    return { ms, labels: labels.data, scores, fineMask: fineMask.data, pFine: pFine.data, grid: pFine.dims.slice(1), tokens: Number(tokens.data[0]) };
  }

  /** Tokens with every region fine. */
  denseTokens(height, width) {
    return Math.ceil(height / this.info.patch_size) * Math.ceil(width / this.info.patch_size);
  }

  regions(height, width) {
    return Math.ceil(height / this.info.coarse_patch_size) * Math.ceil(width / this.info.coarse_patch_size);
  }

  /** The model's own budget, in regions. */
  mostFine(height, width) {
    const { budget, budget_is_share: isShare } = this.info;
    const regions = this.regions(height, width);
    if (budget === null) return regions;
    return isShare ? Math.floor(budget * regions + 1e-6) : Math.min(budget, regions);
  }
}

async function download(address, size, tells) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`the model could not be fetched (${response.status})`);
  const bytes = new Uint8Array(size);
  const reader = response.body.getReader();
  let done = 0;
  for (;;) {
    const { done: finished, value } = await reader.read();
    if (finished) break;
    if (done + value.length > size) throw new Error('model.onnx is not the file that model.json tells of');
    bytes.set(value, done);
    done += value.length;
    tells(done / size);
  }
  if (done !== size) throw new Error('model.onnx came incomplete');
  return bytes;
}

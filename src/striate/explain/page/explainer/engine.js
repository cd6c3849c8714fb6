// The model, computed from its own weights. Values are laid out as Keras lays them: row, column, channel.

const DATA = JSON.parse(document.getElementById("network").textContent);
const BYTES = (() => {
  const text = atob(document.getElementById("numbers").textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
})();

const floats = ([offset, length]) => new Float32Array(BYTES, offset, length);
const octets = ([offset, length]) => new Uint8Array(BYTES, offset, length);
const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

// A vector has one place; its elements are its channels.
const block = (shape) => (shape.length === 3 ? shape : [1, 1, product(shape)]);

const STEPS = DATA.steps.map((step, at) => ({
  ...step, at,
  size: product(step.shape),
  block: block(step.shape),
  arrays: Object.fromEntries(Object.entries(step.weights).map(([name, place]) => [name, floats(place)])),
}));
const LOGITS = STEPS.length - 1;
STEPS.push({
  name: "probabilities", layer: "Softmax", kind: "softmax", inputs: [LOGITS], shape: STEPS[LOGITS].shape, settings: {},
  weights: {}, arrays: {}, parameters: 0, bytes: 0, state: "computed", sizes: [], lesson: "softmax", at: LOGITS + 1,
  says: "Turns the logits into probabilities that add up to one.", size: STEPS[LOGITS].size, block: STEPS[LOGITS].block,
});
const SOFTMAX = LOGITS + 1;

class Engine {
  constructor() {
    this.values = STEPS.map(() => null);
    this.image = -1;
    this.pixels = null;
    this.dropped = null;       // {at, rate, seed}: a dropout layer that drops though nothing is trained
  }

  // Computes everything at once, or, with `pause`, awaits that function whenever it has worked for 30 ms.
  async run(image, pixels, pause) {
    this.image = image;
    this.pixels = pixels;
    const turn = (this.turn = {});
    let since = performance.now();
    for (const step of STEPS) {
      this.compute(step);
      if (pause && performance.now() - since > 30) {
        await pause(step.at);
        if (this.turn !== turn) return false;   // another image was asked for
        since = performance.now();
      }
    }
    return true;
  }

  runNow(image, pixels) {
    this.image = image;
    this.pixels = pixels;
    this.turn = {};
    for (const step of STEPS) this.compute(step);
  }

  compute(step) {
    const given = DATA.images[this.image].given;
    if (step.state === "given") this.values[step.at] = given && given[step.at] ? floats(given[step.at]) : null;
    else if (step.state === "absent") this.values[step.at] = null;
    else if (step.kind === "input") this.values[step.at] = Float32Array.from(this.pixels);
    else {
      const inputs = step.inputs.map((at) => this.values[at]);
      this.values[step.at] = inputs.includes(null) ? null : COMPUTE[step.kind](step, inputs, this);
    }
  }
}

const COMPUTE = {
  conv: (step, [x]) => convolve(step, x),
  depthwise: (step, [x]) => convolveEach(step, x),
  dense: (step, [x]) => multiply(step, x),
  scale: (step, [x]) => perChannel(step, x, (v, c) => v * step.arrays.scale[c] + step.arrays.shift[c]),
  norm: (step, [x]) => {
    const [scale, shift] = normConstants(step);
    return perChannel(step, x, (v, c) => v * scale[c] + shift[c]);
  },
  layernorm: (step, [x]) => normalisePlaces(step, x),
  activation: (step, [x]) => x.map(bend(step.settings)),
  maxpool: (step, [x]) => pool(step, x),
  avgpool: (step, [x]) => pool(step, x),
  globalavg: (step, [x]) => overall(step, x, false),
  globalmax: (step, [x]) => overall(step, x, true),
  identity: (step, [x], engine) => (engine.dropped && engine.dropped.at === step.at ? drop(x, engine.dropped) : x),
  reshape: (step, [x]) => x,
  pad: (step, [x]) => move(step, x),
  crop: (step, [x]) => move(step, x),
  add: merge((a, b) => a + b),
  multiply: merge((a, b) => a * b),
  subtract: merge((a, b) => a - b),
  average: (step, inputs) => merge((a, b) => a + b)(step, inputs).map((v) => v / inputs.length),
  maximum: merge(Math.max),
  minimum: merge(Math.min),
  concatenate: (step, inputs) => concatenate(step, inputs),
  softmax: (step, [x]) => Float32Array.from(softmax(x)),
};

function convolve(step, x) {
  const [H, W, C] = STEPS[step.inputs[0]].block, [rows, columns, out] = step.block;
  const { window: [kh, kw], strides: [sy, sx], dilation: [dy, dx], before: [by, bx], groups } = step.settings;
  const { kernel, bias } = step.arrays, f = bend(step.settings);
  const deep = C / groups, each = out / groups;
  const found = new Float32Array(step.size), sums = new Float64Array(out);
  for (let y = 0, at = 0; y < rows; y++) for (let xx = 0; xx < columns; xx++, at += out) {
    if (bias) sums.set(bias); else sums.fill(0);
    for (let i = 0; i < kh; i++) {
      const row = y * sy + i * dy - by;
      if (row < 0 || row >= H) continue;
      for (let j = 0; j < kw; j++) {
        const column = xx * sx + j * dx - bx;
        if (column < 0 || column >= W) continue;
        const place = (row * W + column) * C;
        for (let c = 0; c < C; c++) {
          const v = x[place + c];
          if (v === 0) continue;
          const group = groups === 1 ? 0 : Math.floor(c / deep);
          const k = ((i * kw + j) * deep + (c - group * deep)) * out, first = group * each, last = first + each;
          for (let o = first; o < last; o++) sums[o] += v * kernel[k + o];
        }
      }
    }
    for (let o = 0; o < out; o++) found[at + o] = f(sums[o]);
  }
  return found;
}

function convolveEach(step, x) {
  const [H, W, C] = STEPS[step.inputs[0]].block, [rows, columns, out] = step.block;
  const { window: [kh, kw], strides: [sy, sx], dilation: [dy, dx], before: [by, bx] } = step.settings;
  const { kernel, bias } = step.arrays, f = bend(step.settings), many = out / C;
  const found = new Float32Array(step.size), sums = new Float64Array(out);
  for (let y = 0, at = 0; y < rows; y++) for (let xx = 0; xx < columns; xx++, at += out) {
    if (bias) sums.set(bias); else sums.fill(0);
    for (let i = 0; i < kh; i++) {
      const row = y * sy + i * dy - by;
      if (row < 0 || row >= H) continue;
      for (let j = 0; j < kw; j++) {
        const column = xx * sx + j * dx - bx;
        if (column < 0 || column >= W) continue;
        const place = (row * W + column) * C, k = (i * kw + j) * out;
        if (many === 1) for (let o = 0; o < out; o++) sums[o] += x[place + o] * kernel[k + o];
        else for (let o = 0; o < out; o++) sums[o] += x[place + Math.floor(o / many)] * kernel[k + o];
      }
    }
    for (let o = 0; o < out; o++) found[at + o] = f(sums[o]);
  }
  return found;
}

function multiply(step, x) {
  const { kernel, bias } = step.arrays, out = step.size, f = bend(step.settings);
  const sums = bias ? Float64Array.from(bias) : new Float64Array(out);
  for (let i = 0, k = 0; i < x.length; i++, k += out) {
    const v = x[i];
    if (v !== 0) for (let o = 0; o < out; o++) sums[o] += v * kernel[k + o];
  }
  return Float32Array.from(sums, f);
}

function normConstants(step) {
  const { mean, variance, gamma, beta } = step.arrays;
  const scale = Float64Array.from(variance, (v, c) => (gamma ? gamma[c] : 1) / Math.sqrt(v + step.settings.epsilon));
  return [scale, Float64Array.from(mean, (m, c) => (beta ? beta[c] : 0) - m * scale[c])];
}

function normalisePlaces(step, x) {
  const channels = step.block[2], { gamma, beta } = step.arrays, found = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += channels) {
    const [mean, deviation] = placeStatistics(step, x, at);
    for (let c = 0; c < channels; c++)
      found[at + c] = ((x[at + c] - mean) / deviation) * (gamma ? gamma[c] : 1) + (beta ? beta[c] : 0);
  }
  return found;
}

function placeStatistics(step, x, at) {
  const channels = step.block[2];
  let mean = 0, variance = 0;
  for (let c = 0; c < channels; c++) mean += x[at + c] / channels;
  for (let c = 0; c < channels; c++) variance += (x[at + c] - mean) ** 2 / channels;
  return [mean, Math.sqrt(variance + step.settings.epsilon)];
}

function perChannel(step, x, f) {
  const channels = step.block[2], found = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += channels)
    for (let c = 0; c < channels; c++) found[at + c] = f(x[at + c], c);
  return found;
}

function pool(step, x) {
  const [H, W, C] = STEPS[step.inputs[0]].block, [rows, columns] = step.block;
  const { window: [kh, kw], strides: [sy, sx], before: [by, bx] } = step.settings, largest = step.kind === "maxpool";
  const found = new Float32Array(step.size), kept = new Float64Array(C);
  for (let y = 0, at = 0; y < rows; y++) for (let xx = 0; xx < columns; xx++, at += C) {
    kept.fill(largest ? -Infinity : 0);
    let count = 0;
    for (let row = Math.max(0, y * sy - by); row < Math.min(H, y * sy - by + kh); row++)
      for (let column = Math.max(0, xx * sx - bx); column < Math.min(W, xx * sx - bx + kw); column++, count++)
        for (let c = 0, place = (row * W + column) * C; c < C; c++)
          kept[c] = largest ? Math.max(kept[c], x[place + c]) : kept[c] + x[place + c];
    for (let c = 0; c < C; c++) found[at + c] = largest ? kept[c] : kept[c] / count;
  }
  return found;
}

function overall(step, x, largest) {
  const [H, W, C] = STEPS[step.inputs[0]].block, kept = new Float64Array(C).fill(largest ? -Infinity : 0);
  for (let at = 0; at < x.length; at += C)
    for (let c = 0; c < C; c++) kept[c] = largest ? Math.max(kept[c], x[at + c]) : kept[c] + x[at + c];
  return Float32Array.from(kept, (v) => (largest ? v : v / (H * W)));
}

// Zeros put around, or edges cut off: the same movement in two directions.
function move(step, x) {
  const [H, W, C] = STEPS[step.inputs[0]].block, [rows, columns, channels] = step.block;
  const sign = step.kind === "pad" ? 1 : -1, [top, left, front] = step.settings.pads.map((pair) => sign * pair[0]);
  const found = new Float32Array(step.size);
  for (let y = 0; y < rows; y++) for (let xx = 0; xx < columns; xx++) for (let c = 0; c < channels; c++) {
    const row = y - top, column = xx - left, channel = c - front;
    if (row >= 0 && row < H && column >= 0 && column < W && channel >= 0 && channel < C)
      found[(y * columns + xx) * channels + c] = x[(row * W + column) * C + channel];
  }
  return found;
}

// The index of the element of a value of shape `own` that stands for (y, x, c); sides of length one are stretched.
function stretched(own, y, x, c) {
  const [H, W, C] = own;
  return ((H === 1 ? 0 : y) * W + (W === 1 ? 0 : x)) * C + (C === 1 ? 0 : c);
}

function merge(f) {
  return (step, inputs) => {
    const [rows, columns, channels] = step.block, found = new Float32Array(step.size);
    const shapes = step.inputs.map((at) => STEPS[at].block);
    for (let y = 0, at = 0; y < rows; y++) for (let x = 0; x < columns; x++) for (let c = 0; c < channels; c++, at++) {
      let value = inputs[0][stretched(shapes[0], y, x, c)];
      for (let i = 1; i < inputs.length; i++) value = f(value, inputs[i][stretched(shapes[i], y, x, c)]);
      found[at] = value;
    }
    return found;
  };
}

function concatenate(step, inputs) {
  const channels = step.block[2], found = new Float32Array(step.size);
  let first = 0;
  step.inputs.forEach((source, i) => {
    const own = STEPS[source].block[2];
    for (let place = 0; place < step.size / channels; place++)
      found.set(inputs[i].subarray(place * own, (place + 1) * own), place * channels + first);
    first += own;
  });
  return found;
}

function drop(x, { rate, seed }) {
  let state = seed >>> 0;
  return x.map((v) => {   // mulberry32, a small generator of random numbers: the same seed drops the same units
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32 < rate ? 0 : v / (1 - rate);
  });
}

function softmax(logits) {
  const scaled = Array.from(logits, (v) => v / DATA.temperature), most = Math.max(...scaled);
  const powers = scaled.map((v) => Math.exp(v - most)), sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

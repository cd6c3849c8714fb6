// How one number comes about: the patches, products and sums behind the value of a step at (y, x, channel).

// The patch of input channel c under the kernel for output channel o, as rows of {v, w, y, x, outside}.
function patch(engine, step, o, y, x, c) {
  const source = STEPS[step.inputs[0]], values = engine.values[source.at], [H, W, C] = source.block;
  const { window: [kh, kw], strides: [sy, sx], dilation = [1, 1], before: [by, bx], groups = 1 } = step.settings;
  const { kernel } = step.arrays, out = step.block[2], deep = C / groups;
  const rows = [];
  for (let i = 0; i < kh; i++) {
    const cells = [];
    for (let j = 0; j < kw; j++) {
      const row = y * sy + i * dilation[0] - by, column = x * sx + j * dilation[1] - bx;
      const outside = row < 0 || row >= H || column < 0 || column >= W;
      const v = outside ? 0 : values[(row * W + column) * C + c];
      let w = null;
      if (step.kind === "conv") w = kernel[((i * kw + j) * deep + (c % deep)) * out + o];
      if (step.kind === "depthwise") w = kernel[(i * kw + j) * out + o];
      cells.push({ v, w, y: row, x: column, outside });
    }
    rows.push(cells);
  }
  return rows;
}

// The input channels that output channel o of a convolution looks at: all, those of its group, or its own.
function channelsBelow(step, o) {
  const C = STEPS[step.inputs[0]].block[2], out = step.block[2];
  if (step.kind === "depthwise") return [Math.floor(o / (out / C))];
  const { groups } = step.settings, deep = C / groups, first = Math.floor(o / (out / groups)) * deep;
  return Array.from({ length: deep }, (_, i) => first + i);
}

// {channels: [{c, sum}], bias, before, after} of a convolution at one place.
function convolutionAt(engine, step, o, y, x) {
  const channels = channelsBelow(step, o).map((c) => {
    let sum = 0;
    for (const row of patch(engine, step, o, y, x, c)) for (const cell of row) sum += cell.v * cell.w;
    return { c, sum };
  });
  const bias = step.arrays.bias ? step.arrays.bias[o] : 0;
  const before = channels.reduce((a, { sum }) => a + sum, 0) + bias;
  return { channels, bias, before, after: bend(step.settings)(before) };
}

// {parts: [{i, v, w, p}] by falling |product|, bias, before, after} of unit o of a dense layer.
function denseAt(engine, step, o) {
  const values = engine.values[step.inputs[0]], { kernel, bias } = step.arrays, out = step.size;
  const parts = Array.from(values, (v, i) => ({ i, v, w: kernel[i * out + o], p: v * kernel[i * out + o] }));
  const b = bias ? bias[o] : 0, before = parts.reduce((a, { p }) => a + p, 0) + b;
  return { parts: parts.sort((a, b2) => Math.abs(b2.p) - Math.abs(a.p)), bias: b, before, after: bend(step.settings)(before) };
}

// The last step with maps behind a vector that is these maps laid out flat, or null.
function mapsBehind(step) {
  let source = STEPS[step.inputs[0]];
  while (["reshape", "identity"].includes(source.kind) && source.shape.length === 1) source = STEPS[source.inputs[0]];
  return source.shape.length === 3 && source.block[0] * source.block[1] > 1 ? source : null;
}

const indexOf = (step, y, x, c) => (y * step.block[1] + x) * step.block[2] + c;

function number(v) {
  if (v === null || v === undefined || Number.isNaN(v)) return "–";
  const size = Math.abs(v), digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3;
  if (v !== 0 && size < 0.0005) return power(v, 1);
  return v.toFixed(digits).replace("-", "−").replace(/^−(0\.?0*)$/, "$1");
}
const SUPERSCRIPTS = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].map((high, digit) => [digit, high])) };
function power(v, digits) {
  const [mantissa, exponent] = v.toExponential(digits).split("e");
  return `${mantissa.replace("-", "−")}·10${[...exponent.replace("+", "")].map((digit) => SUPERSCRIPTS[digit]).join("")}`;
}
// For a cell of a table: zero where nothing of three digits is left.
const brief = (v) => (Math.abs(v) < 0.0005 ? "0" : number(v));
const whole = (v) => v.toLocaleString("en");
// Never rounded up to certainty.
const percent = (v) => (v < 1 && v >= 0.9995 ? `${(Math.floor(1e6 * v) / 1e4).toFixed(v >= 0.999995 ? 4 : 2)} %` : `${(100 * v).toFixed(v >= 0.1 || v === 0 ? 1 : 2)} %`);

// Steps that look at one number at a time: what goes in, the formula, what comes out. And the image itself.

class PointView {
  constructor(explorer, step) {
    this.explorer = explorer;
    this.step = step;
    const flat = step.shape.length !== 3;
    const point = flat ? null : (y, x, fixed) => explorer.point(y, x, fixed);
    this.inputs = step.inputs.map((at) => {
      const [H, W] = STEPS[at].block, same = H === step.block[0] && W === step.block[1];
      return H * W > 1 ? new MapBox("", STEPS[at].block, same ? point : null, 160) : null;
    });
    this.output = flat ? null : new MapBox("", step.block, point, 160);
    this.sum = el("p", { class: "formula" });
    this.extra = el("div");
    const maps = [...this.inputs, this.output].filter(Boolean).map((map) => map.element);
    this.element = el("div", {}, el("div", { class: "scene" }, ...maps, this.extra), this.sum);
    if (step.kind === "identity" && step.settings.rate) this.element.append(this.dropping());
  }

  dropping() {
    const { engine } = this.explorer, rate = this.step.settings.rate;
    const drop = () => { engine.dropped = { at: this.step.at, rate, seed: ((engine.dropped && engine.dropped.seed) || 0) + 1 }; this.explorer.recompute(); };
    const keep = () => { engine.dropped = null; this.explorer.recompute(); };
    return el("p", {}, el("button", { type: "button", text: `Drop ${percent(rate)} at random`, onclick: drop }), " ",
      el("button", { type: "button", text: "Pass all on", onclick: keep }));
  }

  update({ y, x, c }) {
    const { step, explorer: { engine } } = this, places = this.sources(y, x, c);
    this.inputs.forEach((map, i) => {
      const source = STEPS[step.inputs[i]], place = places[i];
      if (!map) return;
      const channel = place ? place[2] : 0;
      map.draw(engine.values[source.at], source.kind === "input" && source.block[2] === 3 ? "rgb" : channel, source.kind === "input" && source.block[2] === 3 ? 255 : scaleOf(engine.values[source.at]));
      map.tell(`${source.name}, map ${channel}`);
      if (place) map.mark(place[0], place[1]); else map.mark(0, 0, 0, 0);
    });
    if (this.output) {
      this.output.draw(engine.values[step.at], c, scaleOf(engine.values[step.at]));
      this.output.mark(y, x);
      this.output.tell(`${step.name}, map ${c}`);
    }
    const numbers = places.map((place, i) => (place ? engine.values[step.inputs[i]][indexOf(STEPS[step.inputs[i]], ...place)] : 0));
    const out = engine.values[step.at][indexOf(step, y, x, c)];
    this.sum.replaceChildren(...FORMULAS[step.kind](step, numbers, out, c, places, engine));
    this.extra.replaceChildren(...(step.kind === "activation" ? [curveOf(step.settings, numbers[0])] : []));
  }

  // For each input, the place of the number that the output at (y, x, c) is made of; null where there is none.
  sources(y, x, c) {
    const { step } = this;
    if (step.kind === "reshape") {
      const [, W, C] = STEPS[step.inputs[0]].block, at = indexOf(step, y, x, c);
      return [[Math.floor(at / C / W), Math.floor(at / C) % W, at % C]];
    }
    if (step.kind === "pad" || step.kind === "crop") {
      const sign = step.kind === "pad" ? 1 : -1, [top, left, front] = step.settings.pads.map((pair) => sign * pair[0]);
      const place = [y - top, x - left, c - front], inside = place.every((v, i) => v >= 0 && v < STEPS[step.inputs[0]].block[i]);
      return [inside ? place : null];
    }
    if (step.kind === "concatenate") {
      let first = 0;
      return step.inputs.map((at) => {
        const own = STEPS[at].block[2], channel = c - first;
        first += own;
        return channel >= 0 && channel < own ? [y, x, channel] : null;
      });
    }
    return step.inputs.map((at) => [y, x, c].map((v, i) => (STEPS[at].block[i] === 1 ? 0 : v)));
  }
}

const joined = (sign) => (step, numbers, out) =>
  [...numbers.flatMap((v, i) => (i ? [` ${sign} `, value(`input${i}`, v)] : [value("input0", v)])), " = ", value("output", out), "."];
const listed = (word) => (step, numbers, out) =>
  [`The ${word} of `, ...numbers.flatMap((v, i) => (i ? [" and ", value(`input${i}`, v)] : [value("input0", v)])), " is ", value("output", out), "."];

const FORMULAS = {
  scale: (step, [v], out, c) => [value("input0", v), " · ", value("scale", step.arrays.scale[c]), " + ", value("shift", step.arrays.shift[c]), " = ", value("output", out), "."],
  norm: (step, [v], out, c) => {
    const { mean, variance, gamma, beta } = step.arrays, deviation = Math.sqrt(variance[c] + step.settings.epsilon);
    return ["(", value("input0", v), " − mean ", value("mean", mean[c]), ") ÷ spread ", value("spread", deviation), " · γ ", value("gamma", gamma ? gamma[c] : 1),
      " + β ", value("beta", beta ? beta[c] : 0), " = ", value("output", out), "."];
  },
  layernorm: (step, [v], out, c, [[y, x]], engine) => {
    const { gamma, beta } = step.arrays, [mean, deviation] = placeStatistics(step, engine.values[step.inputs[0]], indexOf(step, y, x, 0));
    return ["(", value("input0", v), " − mean of the place ", value("mean", mean), ") ÷ its spread ", value("spread", deviation), " · γ ", value("gamma", gamma ? gamma[c] : 1),
      " + β ", value("beta", beta ? beta[c] : 0), " = ", value("output", out), "."];
  },
  activation: (step, [v], out) => [`${functionName(step.settings)} of `, value("input0", v), " is ", value("output", out), "."],
  identity: (step, [v], out) => [value("input0", v), v === out ? " is passed on: " : " becomes ", value("output", out), "."],
  reshape: (step, [v], out, c, [[y, x, channel]]) => [`Row ${y}, column ${x}, channel ${channel}: `, value("output", out), ". The same number in another place."],
  pad: (step, [v], out, c, [place]) => [place ? `From row ${place[0]}, column ${place[1]}: ` : "A zero of the frame: ", value("output", out), "."],
  crop: (step, [v], out, c, [place]) => [`From row ${place[0]}, column ${place[1]}: `, value("output", out), "."],
  add: joined("+"),
  multiply: joined("·"),
  subtract: joined("−"),
  average: listed("mean"),
  maximum: listed("larger"),
  minimum: listed("smaller"),
  concatenate: (step, numbers, out, c, places) => {
    const i = places.findIndex(Boolean);
    return [`Map ${c} is map ${places[i][2]} of ${STEPS[step.inputs[i]].name}: `, value("output", out), "."];
  },
};

// The activation's curve, and the number on it.
function curveOf(settings, v) {
  const f = bend(settings), reach = Math.max(3, Math.abs(v) * 1.15), tall = Math.max(1, ...[-reach, reach, v].map((at) => Math.abs(f(at))));
  const X = (at) => 80 + (at / reach) * 76, Y = (at) => 60 - (at / tall) * 54, shape = [];
  for (let i = 0; i <= 120; i++) { const at = -reach + (2 * reach * i) / 120; shape.push(`${X(at).toFixed(1)},${Y(f(at)).toFixed(1)}`); }
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 160 120"); svg.setAttribute("class", "curve"); svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${functionName(settings)}: ${number(v)} becomes ${number(f(v))}`);
  for (const [tag, attributes] of [["path", { d: "M4,60 H156 M80,6 V114", class: "axis" }], ["polyline", { points: shape.join(" ") }], ["circle", { cx: X(v), cy: Y(f(v)), r: 4 }]]) {
    const part = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, text] of Object.entries(attributes)) part.setAttribute(name, text);
    svg.append(part);
  }
  return svg;
}

// The image: its numbers, and, where the whole model is in the page, a brush.
class PictureView {
  constructor(explorer, step) {
    this.explorer = explorer;
    this.step = step;
    this.grey = step.block[2] === 1;
    this.map = new MapBox("the image", step.block, (y, x, fixed) => { if (fixed && DATA.whole && this.brush.checked) this.paint(y, x); explorer.point(y, x, fixed); }, 280);
    this.sum = el("p", { class: "formula" });
    this.brush = el("input", { type: "checkbox", id: "brush" });
    this.ink = this.grey ? el("input", { type: "range", min: 0, max: 255, value: 255, id: "ink" }) : el("input", { type: "color", value: "#ffffff", id: "ink" });
    const tools = el("p", { class: "tools" }, el("label", {}, this.brush, " paint on it"), el("label", {}, this.grey ? "brightness " : "color ", this.ink),
      el("button", { type: "button", text: "Restore", onclick: () => explorer.choose(explorer.engine.image) }));
    this.element = el("div", {}, el("div", { class: "scene" }, this.map.element), this.sum, DATA.whole ? tools : null);
  }

  paint(y, x) {
    const [H, W, C] = this.step.block, { pixels } = this.explorer.engine, reach = Math.max(0.8, Math.max(H, W) / 28);
    const ink = this.grey ? [Number(this.ink.value)] : [1, 3, 5].map((at) => parseInt(this.ink.value.slice(at, at + 2), 16));
    for (let row = Math.max(0, Math.floor(y - reach)); row <= Math.min(H - 1, y + reach); row++)
      for (let column = Math.max(0, Math.floor(x - reach)); column <= Math.min(W - 1, x + reach); column++)
        if ((row - y) ** 2 + (column - x) ** 2 <= reach ** 2) for (let c = 0; c < C; c++) pixels[(row * W + column) * C + c] = ink[c];
    this.explorer.recompute();
  }

  update({ y, x }) {
    const { engine } = this.explorer, own = Array.from({ length: this.step.block[2] }, (_, c) => engine.values[0][indexOf(this.step, y, x, c)]);
    this.map.draw(engine.values[0], "rgb", 255);
    this.map.mark(y, x);
    const parts = this.grey ? [value("output", own[0], { text: `${own[0]}` })] : ["red", "green", "blue"].flatMap((name, c) => [`${c ? ", " : ""}${name} `, value(c ? name : "output", own[c], { text: `${own[c]}` })]);
    this.sum.replaceChildren(`The pixel in row ${y}, column ${x}: `, ...parts, ".");
  }
}

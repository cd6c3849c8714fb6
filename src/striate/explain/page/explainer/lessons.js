// The lessons, each with the numbers of this model and this image.

class Lessons {
  constructor(explorer, panel) {
    this.explorer = explorer;
    this.live = el("div", { class: "live" });
    this.body = el("div");
    this.choice = el("select", { id: "lesson", "aria-label": "Lesson", onchange: () => this.show(this.choice.value) },
      ...DATA.lessons.map((lesson) => el("option", { value: lesson.name, text: lesson.title })));
    panel.replaceChildren(el("div", { class: "choose" }, this.choice), this.body);
    this.right = null;      // the class taken to be the right one, for loss and back-propagation
    this.rate = 0.1;
  }

  show(name) {
    this.lesson = DATA.lessons.find((lesson) => lesson.name === name);
    this.choice.value = name;
    this.body.replaceChildren(
      el("h2", { text: this.lesson.title }), ...this.lesson.text.slice(0, 1).map((text) => el("p", { text })),
      this.live, ...this.lesson.text.slice(1).map((text) => el("p", { text })),
      el("p", { class: "sources", text: `Sources: ${this.lesson.sources.join("; ")}.` }));
    this.update();
  }

  update() {
    const told = (LIVE[this.lesson.name] ?? (() => []))(this.explorer, this);
    this.live.hidden = !told.length;
    this.live.replaceChildren(el("h3", { text: "In your model" }), ...told.map((one) => (typeof one === "string" ? el("p", { text: one }) : one)));
  }

  get label() {
    const own = DATA.classes.indexOf(DATA.images[this.explorer.engine.image].label);
    return this.right ?? (own >= 0 ? own : argmax(this.explorer.engine.values[LOGITS]));
  }

  chooser() {
    const choice = el("select", { "aria-label": "The right class", onchange: () => { this.right = Number(choice.value); this.update(); } },
      ...DATA.classes.map((name, i) => el("option", { value: i, text: name, selected: i === this.label })));
    return el("p", {}, "Suppose the image shows ", choice);
  }
}

const argmax = (values) => values.reduce((best, v, i) => (v > values[best] ? i : best), 0);
const crossEntropy = (logits, label) => -Math.log(Math.max(softmax(logits)[label], 1e-30));
const first = (kinds, wanted = () => true) => STEPS.find((step) => kinds.includes(step.kind) && step.state === "computed" && wanted(step));
const own = (explorer, kinds) => (kinds.includes(explorer.step.kind) && explorer.step.state === "computed" ? explorer.step : first(kinds));

const LIVE = {
  pixels: ({ engine }) => {
    const [H, W, C] = STEPS[0].block, mean = engine.values[0].reduce((a, b) => a + b, 0) / STEPS[0].size;
    return [`This image: ${H} rows, ${W} columns, ${C} channel${C > 1 ? "s" : ""}: ${whole(H * W * C)} numbers, ${number(mean)} on average.`];
  },
  convolution: (explorer) => {
    const step = own(explorer, ["conv", "depthwise"]);
    if (!step) return [];
    const dense = STEPS[step.inputs[0]].size * step.size;
    return [`${step.name}: ${step.says}`, ...step.sizes, `A dense layer between the same numbers would need ${whole(dense)} weights.`];
  },
  padding: (explorer) => {
    const step = own(explorer, ["conv", "depthwise", "maxpool", "avgpool"]);
    if (!step) return [];
    const [by] = step.settings.before, corner = patch(explorer.engine, step, 0, 0, 0, 0).flat(), outside = corner.filter((cell) => cell.outside).length;
    return [`${step.name}: ${by ? `${by} row${by > 1 ? "s" : ""} of zeros above` : "nothing is put before the first row"}.`,
      `In the corner, ${outside} of the window's ${corner.length} places lie outside.`];
  },
  stride: (explorer) => {
    const step = own(explorer, ["conv", "depthwise", "maxpool", "avgpool"]);
    return step ? [`${step.name}: steps of ${step.settings.strides.join(" down and ")} to the right.`, ...step.sizes.slice(0, 1)] : [];
  },
  pooling: (explorer) => {
    const step = own(explorer, ["maxpool", "avgpool", "globalavg", "globalmax"]);
    if (!step) return [];
    const source = STEPS[step.inputs[0]];
    return [`${step.name}: from ${source.shape.join(" × ")} to ${step.shape.join(" × ")}; ${number(source.size / step.size).replace(/\.0+$/, "")} numbers become one.`];
  },
  activation: (explorer) => {
    const bent = (step) => step.kind === "activation" || (step.settings.activation && step.settings.activation !== "linear");
    const step = bent(explorer.step) && explorer.step.state === "computed" ? explorer.step : STEPS.find((one) => bent(one) && one.state === "computed");
    if (!step) return [];
    const values = explorer.engine.values[step.at], zeros = values.reduce((count, v) => count + (v === 0), 0), C = step.block[2];
    const alive = new Set();
    values.forEach((v, i) => { if (v !== 0) alive.add(i % C); });
    return [`${step.name} (${functionName(step.settings)}): for this image ${percent(zeros / values.length)} of its ${whole(values.length)} numbers are zero; `
      + `${whole(C - alive.size)} of ${whole(C)} ${step.shape.length === 3 ? "maps" : "units"} are zero everywhere.`];
  },
  normalisation: (explorer) => {
    const step = own(explorer, ["norm", "layernorm"]);
    if (!step) return ["Your model has no such layer."];
    return [`${step.name} has ${whole(step.block[2])} channels: ${whole(step.parameters)} numbers, of which it learned ${step.arrays.gamma ? "γ and β" : "β"}.`];
  },
  shortcuts: (explorer) => {
    const merges = STEPS.filter((step) => step.inputs.length > 1), adds = merges.filter((step) => step.kind === "add").length;
    const joins = merges.filter((step) => step.kind === "concatenate").length;
    return [merges.length ? `Your model adds ${adds} times and joins branches ${joins} times.` : "Your model has neither: every layer follows one other."];
  },
  flattening: () => {
    const step = first(["reshape"], (one) => one.shape.length === 1);
    return [step ? `${step.name}: ${STEPS[step.inputs[0]].shape.join(" × ")} becomes a list of ${whole(step.size)}.` : "Your model does not flatten: it pools each map to one number."];
  },
  dense: (explorer) => {
    const step = own(explorer, ["dense"]);
    if (!step) return [];
    const every = STEPS.reduce((sum, one) => sum + one.parameters, 0);
    return [`${step.name}: ${step.says}`, ...step.sizes, `That is ${percent(step.parameters / every)} of the model's ${whole(every)} weights.`];
  },
  softmax: ({ engine }) => {
    const shares = engine.values[SOFTMAX], [one, two] = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]), logits = engine.values[LOGITS];
    const temper = DATA.temperature === 1 ? "" : ` The temperature of this classifier is ${number(DATA.temperature)}.`;
    return [`${DATA.classes[one]} leads ${DATA.classes[two]} by ${number(logits[one] - logits[two])} in the logits, which makes it `
      + `${number(shares[one] / Math.max(shares[two], 1e-30))} times as likely.${temper}`];
  },
  loss: ({ engine }, lessons) => {
    const p = softmax(engine.values[LOGITS])[lessons.label];
    return [lessons.chooser(), el("p", {}, `Its probability is ${percent(p)}, so the loss is −ln ${p.toPrecision(4)} = `, value("loss", crossEntropy(engine.values[LOGITS], lessons.label)), ".")];
  },
  "back-propagation": (explorer, lessons) => backPropagation(explorer, lessons),
  overfitting: () => overfitting(),
  dropout: () => {
    const layers = STEPS.filter((step) => step.kind === "identity" && step.settings.rate);
    if (!layers.length) return ["Your model has no dropout."];
    return [layers.map((step) => `${step.name} drops ${percent(step.settings.rate)} of ${whole(step.size)} numbers in training.`).join(" "), "Open that layer and press Drop to see what the prediction becomes without them."];
  },
};

function backPropagation({ engine }, lessons) {
  const step = STEPS[LOGITS];
  if (step.kind !== "dense" || !step.arrays.kernel) return ["The last layer's weights are not in this page."];
  const x = engine.values[step.inputs[0]], logits = engine.values[LOGITS], label = lessons.label, n = step.size, T = DATA.temperature;
  const slopes = softmax(logits).map((p, i) => (p - (i === label ? 1 : 0)) / T), { kernel } = step.arrays;
  let strongest = 0, size = -1, squared = 1;   // of the products slope · number; 1 for the bias
  for (let i = 0; i < x.length; i++) {
    squared += x[i] * x[i];
    for (let o = 0; o < n; o++) if (Math.abs(slopes[o] * x[i]) > size) { size = Math.abs(slopes[o] * x[i]); strongest = i * n + o; }
  }
  const i = Math.floor(strongest / n), o = strongest % n, moved = Array.from(logits, (v, k) => v - lessons.rate * slopes[k] * squared);
  const back = slopes.reduce((sum, slope, k) => sum + slope * kernel[i * n + k], 0), now = crossEntropy(logits, label), then = crossEntropy(moved, label);
  const rate = el("input", { type: "range", min: -4, max: 0, step: 0.1, value: Math.log10(lessons.rate), "aria-label": "Learning rate",
    onchange: () => { lessons.rate = 10 ** Number(rate.value); lessons.update(); } });
  return [
    lessons.chooser(),
    el("p", {}, `The slope at the logit of ${DATA.classes[o]}: ${T === 1 ? "" : "("}${o === label ? "probability − 1" : "probability"}${T === 1 ? "" : `) ÷ ${number(T)}`} = `, value("slope", slopes[o]), "."),
    el("p", {}, `The steepest weight joins input ${i} to it: `, value("slope2", slopes[o]), " · ", value("x", x[i]), " = ", value("gradient", slopes[o] * x[i]),
      `. It is `, value("w", kernel[strongest]), " and would become ", value("moved", kernel[strongest] - lessons.rate * slopes[o] * x[i]), "."),
    el("p", {}, `Handed back to input ${i}: the slopes, weighted by its weights, `, value("back", back), "."),
    el("p", {}, "Learning rate ", rate, ` ${lessons.rate.toPrecision(2)}`),
    el("p", {}, "The loss on this image goes from ", value("loss", now), " to ", value("after", then), then < now ? "." : ": the step was too long."),
  ];
}

function overfitting() {
  const rows = DATA.epochs;
  if (!rows.length) return ["The history of this model's training is not in the page."];
  const best = rows.reduce((at, row, i) => (row[2] < rows[at][2] ? i : at), 0), kept = rows[(DATA.kept || rows.length) - 1] ?? rows[rows.length - 1];
  const told = [`${rows.length} epochs. The validation loss was lowest after epoch ${best + 1}: ${number(rows[best][2])}, where the training loss was ${number(rows[best][0])}. `
    + `Kept was epoch ${DATA.kept || rows.length}, with ${percent(kept[3])} of the validation images right and ${percent(kept[1])} of the training images, as they were met with dropout and changes at work.`];
  if (rows.length < 2) return told;
  const most = Math.max(...rows.flatMap((row) => [row[0], row[2]])), X = (i) => 6 + (i / (rows.length - 1)) * 228, Y = (v) => 94 - (v / most) * 88;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 240 100"); svg.setAttribute("class", "losses"); svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Loss after each epoch, on training and validation images");
  for (const [column, name] of [[0, "train"], [2, "validation"]]) {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("class", name);
    line.setAttribute("points", rows.map((row, i) => `${X(i).toFixed(1)},${Y(row[column]).toFixed(1)}`).join(" "));
    svg.append(line);
  }
  const legend = el("p", { class: "legend" }, el("span", { class: "train", text: "training loss" }), " ", el("span", { class: "validation", text: "validation loss" }));
  return [...told, svg, legend];
}

// What happens under a window that slides: convolutions, layer by layer, and pooling.

class ConvolutionView {
  constructor(explorer, step) {
    this.explorer = explorer;
    this.step = step;
    this.source = STEPS[step.inputs[0]];
    const toOutput = (y, x, fixed) => explorer.point(...(y === null ? [null, null] : this.outputPlace(y, x)), fixed);
    this.input = new MapBox("", this.source.block, toOutput);
    this.output = new MapBox("", step.block, (y, x, fixed) => explorer.point(y, x, fixed));
    this.tables = el("div", { class: "tables" });
    this.channels = el("div", { class: "channels", role: "group", "aria-label": "Channels of the input" });
    this.sum = el("p", { class: "formula", "aria-live": "off" });
    const arrow = el("span", { class: "sign", text: "→", "aria-hidden": "true" });
    this.element = el("div", {}, el("div", { class: "scene" }, this.input.element, arrow, this.output.element), this.tables, this.sum, this.channels);
    this.drawn = {};
  }

  outputPlace(y, x) {
    const { window: [kh, kw], strides: [sy, sx], dilation: [dy, dx], before: [by, bx] } = this.step.settings;
    const centred = (at, before, size, dilation, stride, side) =>
      Math.min(side - 1, Math.max(0, Math.round((at + before - ((size - 1) * dilation) / 2) / stride)));
    return [centred(y, by, kh, dy, sy, this.step.block[0]), centred(x, bx, kw, dx, sx, this.step.block[1])];
  }

  update({ y, x, c }) {
    const { step, explorer: { engine } } = this, found = convolutionAt(engine, step, c, y, x);
    const below = found.channels.map((one) => one.c);
    const i = below.includes(this.explorer.input) ? this.explorer.input : below[0];
    this.drawMaps(engine, i, c);
    const { window: [kh, kw], strides: [sy, sx], dilation: [dy, dx], before: [by, bx] } = step.settings;
    this.input.mark(y * sy - by, x * sx - bx, (kh - 1) * dy + 1, (kw - 1) * dx + 1);
    this.output.mark(y, x);
    const cells = patch(engine, step, c, y, x, i), as = (f) => cells.map((row) => row.map((cell) => ({ value: f(cell), outside: cell.outside })));
    const weights = as((cell) => cell.w).map((row) => row.map(({ value }) => ({ value })));
    const products = as((cell) => cell.v * cell.w), most = (rows) => Math.max(1e-9, ...rows.flat().map((cell) => Math.abs(cell.value)));
    this.tables.replaceChildren(
      grid("what lies under the window", as((cell) => cell.v), { scale: scaleOf(engine.values[this.source.at]), name: "patch" }), el("span", { class: "sign", text: "×" }),
      grid("the kernel", weights, { scale: most(weights), name: "kernel" }), el("span", { class: "sign", text: "=" }),
      grid("products", products, { scale: most(products), name: "products" }));
    this.sum.replaceChildren(...this.formula(found, i));
    this.listChannels(found, i);
  }

  drawMaps(engine, i, c) {
    const key = `${engine.version}`;
    if (this.drawn.key !== key || this.drawn.i !== i) this.input.draw(engine.values[this.source.at], i, scaleOf(engine.values[this.source.at]));
    if (this.drawn.key !== key || this.drawn.c !== c) this.output.draw(engine.values[this.step.at], c, scaleOf(engine.values[this.step.at]));
    this.drawn = { key, i, c };
    this.input.tell(this.source.block[2] > 1 ? `${this.source.name}, channel ${i}` : this.source.name);
    this.output.tell(`${this.step.name}, map ${c}`);
  }

  formula({ channels, bias, before, after }, i) {
    const own = channels.find((one) => one.c === i).sum, rest = before - bias - own;
    const parts = ["Sum of the products ", value("channel", own)];
    if (channels.length > 1) parts.push(`, of the other ${channels.length - 1} channels `, value("others", rest));
    if (this.step.arrays.bias) parts.push(", bias ", value("bias", bias));
    parts.push(": together ", value("before", before));
    if (this.step.settings.activation !== "linear") parts.push(`; ${functionName(this.step.settings)} of it is `);
    else parts.push("; kept as it is: ");
    return [...parts, value("output", after), "."];
  }

  // One button for each channel; of more than 48, those that add most.
  listChannels({ channels }, i) {
    if (channels.length < 2) return this.channels.replaceChildren();
    const most = Math.max(1e-9, ...channels.map(({ sum }) => Math.abs(sum)));
    const shown = channels.length <= 48 ? channels : [...channels].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).slice(0, 48);
    const buttons = shown.map(({ c, sum }) => {
      const color = tint(sum, most), button = el("button", {
        type: "button", "aria-pressed": `${c === i}`, "data-channel": c, onclick: () => this.explorer.lookAt(c),
      }, el("span", { text: `${c}` }), el("b", { text: number(sum) }));
      button.style.background = css(color);
      button.style.color = readableOn(color);
      return button;
    });
    const title = channels.length > 48 ? `What each channel adds (the 48 largest of ${channels.length})` : "What each channel adds";
    this.channels.replaceChildren(el("h3", { text: title }), ...buttons);
    const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.channel : null;
    if (focused) this.channels.querySelector(`[data-channel="${focused}"]`)?.focus();
  }
}

class PoolingView extends ConvolutionView {
  constructor(explorer, step) {
    step.settings.dilation = [1, 1];
    super(explorer, step);
  }

  update({ y, x, c }) {
    const { step, explorer: { engine } } = this, { window: [kh, kw], strides: [sy, sx], before: [by, bx] } = step.settings;
    this.drawMaps(engine, c, c);
    this.input.mark(y * sy - by, x * sx - bx, kh, kw);
    this.output.mark(y, x);
    const cells = patch(engine, step, c, y, x, c), flat = cells.flat(), inside = flat.filter((cell) => !cell.outside);
    const largest = step.kind === "maxpool", most = Math.max(...inside.map(({ v }) => v));
    const best = largest ? flat.findIndex((cell) => !cell.outside && cell.v === most) : -1;
    const rows = cells.map((row) => row.map((cell) => ({ value: cell.v, outside: cell.outside })));
    this.tables.replaceChildren(grid("the window", rows, { scale: scaleOf(engine.values[this.source.at]), best, name: "window" }));
    const mean = inside.reduce((sum, { v }) => sum + v, 0) / inside.length, result = largest ? most : mean;
    const winner = largest ? flat[best] : null, told = largest
      ? [`The largest of ${inside.length} numbers is `, value("output", result), `, at row ${winner.y}, column ${winner.x}. The others are forgotten.`]
      : [`The mean of ${inside.length} numbers is `, value("output", result), "."];
    this.sum.replaceChildren(...told);
  }
}

class OverallView {
  constructor(explorer, step) {
    this.explorer = explorer;
    this.step = step;
    this.source = STEPS[step.inputs[0]];
    this.input = new MapBox("", this.source.block, null);
    this.sum = el("p", { class: "formula" });
    this.element = el("div", {}, el("div", { class: "scene" }, this.input.element), this.sum);
  }

  update({ c }) {
    const values = this.explorer.engine.values[this.source.at], [H, W, C] = this.source.block, scale = scaleOf(values);
    this.input.draw(values, c, scale);
    this.input.mark(0, 0, H, W);
    this.input.tell(`${this.source.name}, map ${c}`);
    const own = Array.from({ length: H * W }, (_, place) => values[place * C + c]);
    const sum = own.reduce((a, b) => a + b, 0), most = own.reduce((a, b) => Math.max(a, b), -Infinity);
    this.sum.replaceChildren(...(this.step.kind === "globalmax"
      ? [`The largest of the map's ${H * W} numbers is `, value("output", most), "."]
      : [`The map's ${H * W} numbers add up to `, value("sum", sum), `; divided by ${H * W}: `, value("output", sum / (H * W)), "."]));
  }
}

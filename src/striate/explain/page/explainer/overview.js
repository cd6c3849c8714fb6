// All steps as columns from left to right; where a model branches, several in a column, joined by curves.

const TILE = 34, QUIET = ["scale", "norm", "layernorm", "activation", "identity", "reshape", "pad", "crop"];
const MOST_TILES = 8, LETTERS = 14, CAPTION = 50, GAP = 18, CELL = 7, CELLS = 30;

class Overview {
  constructor(container, onSelect) {
    this.container = container;
    this.onSelect = onSelect;
    this.nodes = this.placed();
    this.build();
  }

  // Where each step stands: its column is the longest way to it from the image.
  placed() {
    const columns = [], depth = [];
    for (const step of STEPS) {
      depth[step.at] = step.inputs.length ? Math.max(...step.inputs.map((at) => depth[at])) + 1 : 0;
      (columns[depth[step.at]] ??= []).push(step);
    }
    const nodes = [];
    let left = 12;
    for (const steps of columns) {
      const made = steps.map((step) => this.node(step, steps.length));
      made.sort((a, b) => this.parentHeight(a.step, nodes) - this.parentHeight(b.step, nodes));
      const width = Math.max(...made.map((node) => node.width)), total = made.reduce((sum, node) => sum + node.height + GAP, -GAP);
      let top = -total / 2;
      for (const node of made) {
        Object.assign(node, { left: left + (width - node.width) / 2, top, column: depth[node.step.at] });
        nodes[node.step.at] = node;
        top += node.height + GAP;
      }
      left += width + 30;
    }
    const highest = Math.min(...nodes.map((node) => node.top)), lowest = Math.max(...nodes.map((node) => node.top + node.height));
    this.long = STEPS.flatMap((step) => step.inputs.filter((at) => nodes[step.at].column - nodes[at].column > 1)).length;
    this.room = this.long ? 46 : 6;   // above, for the curves that pass over others
    for (const node of nodes) node.top += this.room - highest;
    this.width = left;
    this.height = lowest - highest + this.room + 8;
    return nodes;
  }

  parentHeight(step, nodes) {
    const tops = step.inputs.map((at) => nodes[at].top + nodes[at].height / 2);
    return tops.reduce((a, b) => a + b, 0) / Math.max(1, tops.length);
  }

  node(step, inColumn) {
    const [H, W, C] = step.block, flat = H * W === 1;
    let columns, rows, tile = TILE, width = null;
    if (step.kind === "input") [columns, rows, tile] = [1, 1, 84];
    else if (step.at >= LOGITS) { columns = 1; rows = Math.min(C, 10); tile = 20; width = 128; }
    else if (flat) { columns = 4; rows = Math.min(Math.ceil(C / 4), Math.max(4, Math.floor(CELLS / inColumn))); tile = CELL; }
    else {
      columns = QUIET.includes(step.kind) || C === 1 ? 1 : 2;
      rows = Math.min(Math.ceil(C / columns), Math.max(1, Math.floor(MOST_TILES / inColumn)));
    }
    const inner = width ?? columns * tile;
    return { step, columns, rows, tile, flat, inner, width: Math.max(98, inner + 12), height: rows * tile + CAPTION + 8 };
  }

  build() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", this.width); svg.setAttribute("height", this.height); svg.setAttribute("aria-hidden", "true");
    let lane = 0;
    for (const step of STEPS) for (const at of step.inputs) {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const isLong = this.nodes[step.at].column - this.nodes[at].column > 1;
      path.setAttribute("d", this.curve(this.nodes[at], this.nodes[step.at], isLong ? lane++ : null));
      if (isLong) path.setAttribute("class", "long");
      svg.append(path);
    }
    const stage = el("div", { class: "stage" }, svg);
    stage.style.width = `${this.width}px`; stage.style.height = `${this.height}px`;
    for (const node of this.nodes) stage.append(this.button(node));
    this.container.replaceChildren(stage);
  }

  curve(from, to, lane) {
    const x1 = from.left + from.width, y1 = from.top + from.height / 2, x2 = to.left, y2 = to.top + to.height / 2;
    if (lane === null) return `M${x1},${y1} C${x1 + 14},${y1} ${x2 - 14},${y2} ${x2},${y2}`;
    const between = this.nodes.filter((node) => node.column > from.column && node.column < to.column);
    const y = Math.min(...between.map((node) => node.top)) - 8 - (lane % 4) * 8;
    return `M${x1},${y1} C${x1 + 24},${y1} ${x1 - 8},${y} ${x1 + 26},${y} L${x2 - 26},${y} C${x2 + 8},${y} ${x2 - 24},${y2} ${x2},${y2}`;
  }

  button(node) {
    const { step } = node, dots = window.devicePixelRatio || 1;
    const sizes = step.shape.join(" × "), weights = step.parameters ? `${whole(step.parameters)} weights` : "";
    node.canvas = el("canvas", { width: node.inner * dots, height: node.rows * node.tile * dots });
    node.canvas.style.width = `${node.inner}px`; node.canvas.style.height = `${node.rows * node.tile}px`;
    node.element = el("button", {
      type: "button", class: `node ${step.state}`, "data-step": step.name, title: step.says,
      "aria-label": `${step.name}, ${step.layer}, ${sizes}${weights ? `, ${weights}` : ""}`,
      onclick: (event) => this.onSelect(step, this.channelAt(node, event)),
    }, el("span", { class: "name", text: tail(step.name.split("/").pop()) }), el("span", { text: sizes }), el("span", { text: weights }), node.canvas);
    Object.assign(node.element.style, { left: `${node.left}px`, top: `${node.top}px`, width: `${node.width}px`, height: `${node.height}px` });
    return node.element;
  }

  // The channel whose image was clicked; null for a click beside, or from the keyboard.
  channelAt(node, event) {
    const box = node.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    if (event.detail === 0 || x < 0 || y < 0 || x >= box.width || y >= box.height || node.step.kind === "input") return null;
    const channel = Math.floor(y / node.tile) * node.columns + Math.floor(x / (node.inner / node.columns));
    return node.step.at >= LOGITS ? this.shownClasses(node)[Math.floor(y / node.tile)] : Math.min(channel, node.step.block[2] - 1);
  }

  // Up to ten classes in their own order; of more, the ten likeliest.
  shownClasses(node) {
    const values = this.engine.values[LOGITS], all = DATA.classes.map((_, i) => i);
    if (all.length <= node.rows || !values) return all.slice(0, node.rows);
    return all.sort((a, b) => values[b] - values[a]).slice(0, node.rows);
  }

  draw(engine) {
    this.engine = engine;
    for (const node of this.nodes) this.drawNode(node);
  }

  drawNode(node) {
    const values = this.engine.values[node.step.at], context = node.canvas.getContext("2d"), dots = node.canvas.width / node.inner;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, node.canvas.width, node.canvas.height);
    if (!values) return this.drawAbsent(node, context);
    const { block: shape } = node.step, scale = scaleOf(values), tile = node.tile * dots;
    if (node.step.kind === "input") return drawMap(context, values, shape, "rgb", 255, 0, 0, tile, tile);
    if (node.step.at >= LOGITS) return this.drawClasses(node, context, values, scale, dots);
    for (let i = 0; i < node.columns * node.rows && i < shape[2]; i++) {
      const x = (i % node.columns) * tile, y = Math.floor(i / node.columns) * tile, edge = node.flat ? 1 : 2;
      if (node.flat) { context.fillStyle = css(tint(values[i], scale)); context.fillRect(x, y, tile - edge, tile - edge); }
      else drawMap(context, values, shape, i, scale, x + edge / 2, y + edge / 2, tile - edge, tile - edge);
    }
  }

  drawAbsent(node, context) {
    context.fillStyle = css(COLOURS.paper.map((v) => Math.round(v * 0.9 + 12)));
    context.fillRect(0, 0, node.canvas.width, node.canvas.height);
  }

  drawClasses(node, context, values, scale, dots) {
    const style = getComputedStyle(document.documentElement);
    context.scale(dots, dots);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.shownClasses(node).forEach((label, row) => {
      const v = values[label], y = row * node.tile, isShare = node.step.at === SOFTMAX;
      const share = isShare ? v : Math.abs(v) / (scale || 1);
      context.fillStyle = css(v < 0 ? COLOURS.minus : COLOURS.plus);
      context.fillRect(0, y + node.tile - 5, share * node.inner, 3);
      context.fillStyle = style.getPropertyValue("--ink");
      context.textAlign = "right";
      const told = isShare ? percent(v) : number(v);
      context.fillText(told, node.inner, y + 8);
      context.textAlign = "left";
      context.fillText(fitted(context, DATA.classes[label], node.inner - context.measureText(told).width - 6), 0, y + 8);
    });
  }

  select(step) {
    for (const node of this.nodes) {
      if (node.step === step) node.element.setAttribute("aria-current", "true"); else node.element.removeAttribute("aria-current");
    }
    const node = this.nodes[step.at], view = this.container;
    if (node.left < view.scrollLeft || node.left + node.width > view.scrollLeft + view.clientWidth)
      view.scrollLeft = node.left - view.clientWidth / 2 + node.width / 2;
  }
}

// The end of a long name, which tells layers of one block apart.
const tail = (name) => ([...name].length <= LETTERS ? name : `…${[...name].slice(1 - LETTERS).join("")}`);

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let letters = [...text];
  while (letters.length && context.measureText(`${letters.join("")}…`).width > width) letters = letters.slice(0, -1);
  return `${letters.join("")}…`;
}

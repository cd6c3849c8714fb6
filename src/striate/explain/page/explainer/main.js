// What is looked at: an image, a step of the model, a place in its output. Everything shown follows from these.

const VIEWS = { conv: ConvolutionView, depthwise: ConvolutionView, maxpool: PoolingView, avgpool: PoolingView, globalavg: OverallView,
  globalmax: OverallView, dense: DenseView, softmax: SoftmaxView, input: PictureView };

class Explorer {
  constructor() {
    this.engine = new Engine();
    this.engine.version = 0;
    this.place = { y: 0, x: 0, c: 0 };
    this.hover = null;
    this.input = 0;
    this.overview = new Overview(document.getElementById("overview"), (step, channel) => this.open(step, channel));
    this.lessons = new Lessons(this, document.getElementById("lessons"));
    this.view = document.getElementById("view");
    this.head = document.getElementById("head");
    this.view.addEventListener("keydown", (event) => this.key(event));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); this.refresh(); });
    readColours();
  }

  async choose(at) {
    for (const button of document.querySelectorAll("#images button")) button.setAttribute("aria-pressed", `${Number(button.dataset.image) === at}`);
    this.lessons.right = null;
    await this.compute(at, Uint8Array.from(octets(DATA.images[at].pixels)));
  }

  recompute() { return this.compute(this.engine.image, this.engine.pixels); }

  async compute(image, pixels) {
    const told = document.getElementById("working");
    const pause = (at) => { told.textContent = `computing ${STEPS[at].name} …`; return new Promise((done) => setTimeout(done)); };
    if (!(await this.engine.run(image, pixels, pause))) return;
    told.textContent = "";
    this.engine.version++;
    this.refresh();
  }

  refresh() {
    this.overview.draw(this.engine);
    this.answer();
    if (this.step) this.update();
    else this.open(...(this.wanted ?? [first(["conv"]) ?? first(["dense"]) ?? STEPS[0], null]));
  }

  open(step, channel) {
    if (!this.engine.version) { this.wanted = [step, channel]; return; }   // as soon as there are numbers
    this.stop();
    const [H, W, C] = step.block, isOther = this.step !== step;
    this.step = step;
    this.hover = null;
    if (isOther) this.place = { y: Math.floor(H / 2), x: Math.floor(W / 2), c: step.at >= LOGITS ? argmax(this.engine.values[LOGITS]) : 0 };
    if (channel !== null && channel !== undefined) this.place.c = Math.min(channel, C - 1);
    this.overview.select(step);
    this.body = this.built(step);
    this.view.querySelector("#scene").replaceChildren(this.body.element);
    this.controls();
    if (this.lessons.lesson === undefined || isOther) this.lessons.show(step.lesson);
    this.update();
    if (performance.getEntriesByName("shown").length === 0) performance.mark("shown");
  }

  built(step) {
    const isThere = this.engine.values[step.at] && step.inputs.every((at) => this.engine.values[at]) && step.state === "computed";
    if (!isThere) return { element: el("p", { class: "absent", text: this.whyAbsent(step) }), update() {} };
    return new (VIEWS[step.kind] ?? PointView)(this, step);
  }

  whyAbsent(step) {
    if (step.kind === "other") return `This page cannot compute a layer of the kind ${step.layer}; what is shown in the overview are Keras' own numbers.`;
    const size = step.bytes ? ` Its weights would be ${(step.bytes / 2 ** 20).toFixed(1)} MB.` : "";
    const shown = step.state === "given" ? " What is shown in the overview are Keras' own numbers." : "";
    return `The model is too large for one page, and this layer was left out.${size}${shown} To have it: striate explain RUN IMAGE --html page.html --include-layer ${step.name}`;
  }

  controls() {
    const { step } = this, [H, W, C] = step.block, parts = [];
    const turn = (by) => { const next = STEPS[(step.at + by + STEPS.length) % STEPS.length]; this.open(next, null); };
    const field = (name, id, most, key) => el("label", {}, `${name} `, el("input", { type: "number", id, min: 0, max: most - 1, value: this.place[key],
      onchange: (event) => { this.place[key] = Math.min(most - 1, Math.max(0, Math.round(Number(event.target.value) || 0))); this.update(); } }));
    if (step.at >= LOGITS) parts.push(el("label", {}, "class ", el("select", { id: "channel", onchange: (event) => { this.place.c = Number(event.target.value); this.update(); } },
      ...DATA.classes.map((name, i) => el("option", { value: i, text: name })))));
    else if (C > 1 && step.kind !== "input") parts.push(field(H * W > 1 ? "map" : "unit", "channel", C, "c"));
    if (H * W > 1) parts.push(field("row", "row", H, "y"), field("column", "column", W, "x"));
    if (H * W > 1 && step.kind !== "input") parts.push((this.play = el("button", { type: "button", id: "play", "aria-pressed": "false", text: "▶ slide", onclick: () => (this.timer ? this.stop() : this.start()) })));
    this.head.replaceChildren(
      el("div", { class: "title" }, el("button", { type: "button", "aria-label": "The step before", text: "‹", onclick: () => turn(-1) }),
        el("h2", { text: step.name }), el("button", { type: "button", "aria-label": "The next step", text: "›", onclick: () => turn(1) })),
      el("p", { class: "note", text: `${step.says} ${step.sizes.join(" ")}` }), el("div", { class: "controls" }, ...parts));
  }

  // (y, x) is pointed at, and stays if `fixed`; null when the pointer leaves.
  point(y, x, fixed) {
    if (fixed && y !== null) { this.place = { ...this.place, y, x }; this.hover = null; this.stop(); }
    else this.hover = y === null ? null : { y, x };
    this.update();
  }

  lookAt(channel) { this.input = channel; this.update(); }

  update() {
    const shown = { ...this.place, ...this.hover };
    if (this.engine.values[this.step.at]) this.body.update(shown);
    for (const [id, key] of [["row", "y"], ["column", "x"], ["channel", "c"]]) {
      const field = document.getElementById(id);
      if (field) field.value = shown[key];
    }
    if (!this.hover) this.lessons.update();
  }

  start() {
    this.play.textContent = "❚❚ stop";
    this.play.setAttribute("aria-pressed", "true");
    this.timer = setInterval(() => this.move(0, 1, true), 300);
  }

  stop() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ slide";
    this.play.setAttribute("aria-pressed", "false");
  }

  move(down, right, wraps) {
    const [H, W] = this.step.block;
    let { y, x } = this.place;
    y += down; x += right;
    if (wraps && x >= W) [y, x] = [(y + 1) % H, 0];
    this.place = { ...this.place, y: Math.min(H - 1, Math.max(0, y)), x: Math.min(W - 1, Math.max(0, x)) };
    this.hover = null;
    this.update();
  }

  key(event) {
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }, C = this.step.block[2];
    if (moves[event.key]) this.move(...moves[event.key], false);
    else if (event.key === "PageUp" || event.key === "PageDown") {
      this.place.c = (this.place.c + (event.key === "PageDown" ? 1 : C - 1)) % C;
      this.update();
    } else return;
    event.preventDefault();
  }

  answer() {
    const { engine } = this, image = DATA.images[engine.image], shares = engine.values[SOFTMAX];
    if (!shares) return;
    const order = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a]).slice(0, 3);
    const rows = order.map((i) => el("li", {}, el("span", { text: DATA.classes[i] }), el("b", { text: percent(shares[i]) }), bar(shares[i])));
    const original = octets(image.pixels), same = engine.dropped === null && original.every((v, i) => v === engine.pixels[i]);
    const told = [];
    if (image.label) told.push(`Labeled ${image.label}.`);
    if (!same) told.push(engine.dropped ? "Some units are dropped." : "You changed the image.");
    else if (DATA.views === "none") told.push(`Keras' answer differs by ${largestDifference(shares, image.answer)} at most.`);
    else told.push(`The classifier looks at the image ${DATA.views === "mirror" ? "and its mirror image" : "and five views of it"} and predictions ${percent(Math.max(...image.answer))} for ${DATA.classes[argmax(image.answer)]}; this page looks at it as it is.`);
    document.getElementById("answer").replaceChildren(el("ol", {}, ...rows), el("p", { class: "note", text: told.join(" ") }));
    this.seen(image);
  }

  // The image, and the heat on it.
  seen(image) {
    const shape = STEPS[0].block, [H, W] = shape, box = new MapBox("as the model sees it", shape, null, 132), boxes = [box.element];
    box.draw(Float32Array.from(this.engine.pixels), "rgb", 255);
    box.mark(0, 0, 0, 0);
    if (image.heat) {
      const heat = octets(image.heat), laid = new Float32Array(H * W * 3), C = shape[2], original = octets(image.pixels);
      for (let i = 0; i < H * W; i++) {
        const grey = C === 3 ? 0.299 * original[i * 3] + 0.587 * original[i * 3 + 1] + 0.114 * original[i * 3 + 2] : original[i], h = heat[i] / 255;
        [255, 110, 0].forEach((color, c) => { laid[i * 3 + c] = grey * 0.75 * (1 - 0.8 * h) + color * 0.8 * h; });
      }
      const warm = new MapBox(`where it looked (${DATA.method})`, [H, W, 3], null, 132);
      warm.draw(laid, "rgb", 255);
      warm.mark(0, 0, 0, 0);
      boxes.push(warm.element);
    }
    document.getElementById("seen").replaceChildren(...boxes);
  }
}

function largestDifference(shares, others) {
  const most = Math.max(...others.map((v, i) => Math.abs(v - shares[i])));
  return most === 0 ? "0" : power(most, 0);
}

const explorer = new Explorer();
explorer.choose(0);
for (const button of document.querySelectorAll("#images button")) button.addEventListener("click", () => explorer.choose(Number(button.dataset.image)));

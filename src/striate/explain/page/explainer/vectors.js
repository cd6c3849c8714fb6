// Dense layers and the softmax: what a sum is made of, and how logits become probabilities.

const SHOWN_PARTS = 12, SHOWN_CLASSES = 30;

const bar = (share, negative) => {
  const inside = el("i", { class: negative ? "minus" : "" });
  inside.style.width = `${Math.min(100, 100 * Math.abs(share))}%`;
  return el("span", { class: "bar" }, inside);
};

class DenseView {
  constructor(explorer, step) {
    this.explorer = explorer;
    this.step = step;
    this.maps = mapsBehind(step);
    this.heat = this.maps ? new MapBox("where the contributions come from", this.maps.block, null) : null;
    this.sum = el("p", { class: "formula" });
    this.table = el("div", { class: "scroll" });
    this.element = el("div", {}, this.sum, el("div", { class: "scene top" }, this.table, this.heat ? this.heat.element : null));
  }

  label(i) {
    if (!this.maps) return `${STEPS[this.step.inputs[0]].name} ${i}`;
    const [, W, C] = this.maps.block, place = Math.floor(i / C);
    return C > 1 ? `map ${i % C}, row ${Math.floor(place / W)}, column ${place % W}` : `row ${Math.floor(place / W)}, column ${place % W}`;
  }

  update({ c }) {
    const { engine } = this.explorer, { parts, bias, before, after } = denseAt(engine, this.step, c);
    const shown = parts.slice(0, SHOWN_PARTS), rest = parts.slice(SHOWN_PARTS).reduce((a, { p }) => a + p, 0);
    const unit = this.step.at === LOGITS ? `the logit of ${DATA.classes[c]}` : `unit ${c}`;
    const bent = this.step.settings.activation !== "linear";
    this.sum.replaceChildren(
      `${whole(parts.length)} products add up to `, value("products", before - bias),
      ...(this.step.arrays.bias ? [", bias ", value("bias", bias)] : []), ": together ", value("before", before),
      bent ? `; ${functionName(this.step.settings)} of it is ` : `, which is `, ...(bent ? [] : [`${unit}: `]), value("output", after), ".");
    const most = Math.abs(shown[0].p) || 1;
    const rows = shown.map(({ i, v, w, p }) => el("tr", {},
      el("td", { text: this.label(i) }), el("td", { text: number(v) }), el("td", { text: number(w) }),
      el("td", { text: number(p), "data-value": p }), el("td", {}, bar(p / most, p < 0))));
    if (parts.length > SHOWN_PARTS) rows.push(el("tr", {}, el("td", { text: `the other ${whole(parts.length - SHOWN_PARTS)} together` }),
      el("td"), el("td"), el("td", { text: number(rest) }), el("td")));
    const head = el("tr", {}, ...["from", "number", "weight", "product", ""].map((text, at) => (at < 4 ? el("th", { text, scope: "col" }) : el("td"))));
    this.table.replaceChildren(el("table", { "aria-label": `What ${unit} is made of` }, el("thead", {}, head), el("tbody", {}, ...rows)));
    if (this.heat) this.drawHeat(parts);
  }

  drawHeat(parts) {
    const [H, W, C] = this.maps.block, heat = new Float32Array(H * W);
    for (const { i, p } of parts) heat[Math.floor(i / C)] += p;
    this.heat.shape = [H, W, 1];
    this.heat.draw(heat, 0, scaleOf(heat));
    this.heat.mark(0, 0, 0, 0);
  }
}

class SoftmaxView {
  constructor(explorer, step) {
    this.explorer = explorer;
    this.step = step;
    this.sum = el("p", { class: "formula" });
    this.table = el("div", { class: "scroll" });
    this.element = el("div", {}, this.sum, this.table);
  }

  update({ c }) {
    const logits = this.explorer.engine.values[LOGITS], T = DATA.temperature;
    const scaled = Array.from(logits, (v) => v / T), most = Math.max(...scaled), powers = scaled.map((v) => Math.exp(v - most));
    const sum = powers.reduce((a, b) => a + b, 0), all = scaled.map((_, i) => i);
    const shown = all.length <= SHOWN_CLASSES ? all : all.sort((a, b) => scaled[b] - scaled[a]).slice(0, SHOWN_CLASSES);
    const cooled = T !== 1, names = ["class", "logit", ...(cooled ? [`÷ ${number(T)}`] : []), "less the largest", "exponential", "÷ sum"];
    const rows = shown.map((i) => el("tr", { "aria-current": i === c ? "true" : null },
      el("td", { text: DATA.classes[i] }), el("td", { text: number(logits[i]) }), ...(cooled ? [el("td", { text: number(scaled[i]) })] : []),
      el("td", { text: number(scaled[i] - most) }), el("td", { text: number(powers[i]) }),
      el("td", {}, el("b", { text: percent(powers[i] / sum), "data-probability": i, "data-value": powers[i] / sum }), bar(powers[i] / sum))));
    this.sum.replaceChildren("The exponentials add up to ", value("sum", sum), `. For ${DATA.classes[c]}: `, value("power", powers[c]), " ÷ ",
      value("total", sum), " = ", value("output", powers[c] / sum), ".");
    const head = el("tr", {}, ...names.map((text) => el("th", { text, scope: "col" })));
    this.table.replaceChildren(el("table", { "aria-label": "From logits to probabilities" }, el("thead", {}, head), el("tbody", {}, ...rows)));
  }
}

// Maps as images: zero is the paper, positive numbers are blue, negative ones orange.

const COLOURS = { paper: [255, 255, 255], plus: [0, 114, 178], minus: [179, 107, 0] };

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const parse = (name) => {
    const text = style.getPropertyValue(name).trim().slice(1);
    const long = text.length === 3 ? [...text].map((digit) => digit + digit).join("") : text;
    return [0, 2, 4].map((at) => parseInt(long.slice(at, at + 2), 16));
  };
  Object.assign(COLOURS, { paper: parse("--paper"), plus: parse("--blue"), minus: parse("--orange") });
}

function tint(value, scale) {
  const share = scale > 0 ? Math.min(1, Math.abs(value) / scale) : 0, end = value < 0 ? COLOURS.minus : COLOURS.plus;
  return COLOURS.paper.map((from, i) => Math.round(from + (end[i] - from) * share));
}
const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

// Black or white, whichever can be read on the color (WCAG 2's relative luminance).
function readableOn(color) {
  const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

// The largest magnitude in a step's value: maps of one step are drawn on one scale, so that they can be compared.
function scaleOf(values) {
  let most = 0;
  for (let i = 0; i < values.length; i++) { const size = Math.abs(values[i]); if (size > most) most = size; }
  return most;
}

const BUFFER = document.createElement("canvas");

// Draws channel c of a value (or, with c === "rgb", the image) into a square of a canvas.
function drawMap(context, values, [H, W, C], c, scale, x0, y0, width, height) {
  const image = new ImageData(W, H), to = image.data;
  for (let place = 0; place < H * W; place++) {
    let color;
    if (c === "rgb") color = C === 3 ? values.subarray(place * 3, place * 3 + 3) : [values[place], values[place], values[place]];
    else color = tint(values[place * C + c], scale);
    to[place * 4] = color[0]; to[place * 4 + 1] = color[1]; to[place * 4 + 2] = color[2]; to[place * 4 + 3] = 255;
  }
  BUFFER.width = W; BUFFER.height = H;
  BUFFER.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = width < W;
  context.drawImage(BUFFER, x0, y0, width, height);
}

// A map that can be pointed at: {element, draw(values, c), mark(y, x, rows, columns)}; onPlace(y, x, isFixed) is told
// what is pointed at. An image of one row, such as a vector, is drawn as a strip.
class MapBox {
  constructor(label, shape, onPlace, most = 224) {
    const [H, W] = shape;
    this.shape = shape;
    const factor = Math.min(most / Math.max(H, W), 40);
    this.width = Math.max(16, Math.round(W * factor)); this.height = Math.max(16, Math.round(H * factor));
    const dots = window.devicePixelRatio || 1;
    this.canvas = el("canvas", { width: this.width * dots, height: this.height * dots });
    this.canvas.style.width = `${this.width}px`; this.canvas.style.height = `${this.height}px`;
    this.window = el("i", { class: "window" });
    this.frame = el("div", { class: "frame", role: "img", "aria-label": label }, this.canvas, this.window);
    this.frame.style.width = `${this.width}px`;
    this.caption = el("figcaption", { text: label });
    this.element = el("figure", { class: "map" }, this.frame, this.caption);
    if (onPlace) this.listen(onPlace);
  }

  listen(onPlace) {
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect(), [H, W] = this.shape;
      const within = (v, side) => Math.min(side - 1, Math.max(0, Math.floor(v * side)));
      return [within((event.clientY - box.top) / box.height, H), within((event.clientX - box.left) / box.width, W)];
    };
    this.frame.classList.add("pointed");
    this.frame.addEventListener("pointerdown", (event) => { this.frame.setPointerCapture(event.pointerId); onPlace(...place(event), true); });
    this.frame.addEventListener("pointermove", (event) => onPlace(...place(event), event.buttons > 0));
    this.frame.addEventListener("pointerleave", () => onPlace(null, null, false));
  }

  tell(text) {
    this.caption.textContent = text;
    this.frame.setAttribute("aria-label", text);
  }

  draw(values, c, scale) {
    const context = this.canvas.getContext("2d");
    drawMap(context, values, this.shape, c, scale, 0, 0, this.canvas.width, this.canvas.height);
  }

  mark(y, x, rows = 1, columns = 1) {
    const [H, W] = this.shape, style = this.window.style;
    const top = Math.max(0, y), left = Math.max(0, x), bottom = Math.min(H, y + rows), right = Math.min(W, x + columns);
    style.top = `${(100 * top) / H}%`; style.left = `${(100 * left) / W}%`;
    style.height = `${(100 * Math.max(0, bottom - top)) / H}%`; style.width = `${(100 * Math.max(0, right - left)) / W}%`;
  }
}

// A table of numbers, colored; `best` is the position of a cell to frame.
function grid(title, rows, { scale, show = true, best = -1, name }) {
  let at = 0;
  const small = rows[0].length > 5 || rows.length > 5;
  const body = rows.map((cells) => el("div", { role: "row" }, ...cells.map(({ value, outside }) => {
    const color = tint(value, scale), cell = el("span", { role: "cell", "data-value": value, title: `${value}` });
    cell.style.background = css(color);
    cell.style.color = readableOn(color);
    if (outside) cell.className = "outside";
    if (at++ === best) cell.classList.add("best");
    if (show && rows.length <= 7 && rows[0].length <= 7) cell.textContent = outside ? "0" : brief(value);
    return cell;
  })));
  const table = el("div", { role: "table", "aria-label": title, class: `grid${small ? " small" : ""}`, "data-grid": name }, ...body);
  return el("figure", { class: "cells" }, table, el("figcaption", { text: title }));
}

const value = (name, v, extra = {}) => el("b", { class: "value", "data-number": name, "data-value": v, text: number(v), ...extra });

// A pad to draw on, with a pointer or with keys. What is sent is the drawing as data sets of handwriting hold theirs:
// the box around the ink scaled to a fraction of the side and its centre of mass in the middle (LeCun, Bottou, Bengio and
// Haffner 1998, section III.A: 20 of 28 pixels). Sets of fewer pixels, as scikit-learn's digits, have no such margin.

const SIDE = 280, STEP = 10, MARGINLESS = 20;

class Pad {
  constructor(canvas, changed) {
    Object.assign(this, { canvas, changed, at: [SIDE / 2, SIDE / 2], isDown: false, isDark: false, width: 22, isEmpty: true });
    this.ink = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });  // ink alone, as alpha
    this.pen = this.ink.getContext("2d", { willReadFrequently: true });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.at = this.place(event);
      this.stroke(this.at);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      for (const one of event.getCoalescedEvents?.() || [event]) this.stroke(this.place(one));
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => { this.isDown = false; this.show(); });
    this.show();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  key(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in ways) {
      const to = this.at.map((v, i) => Math.min(SIDE, Math.max(0, v + STEP * ways[event.key][i])));
      if (this.isDown) this.stroke(to); else { this.at = to; this.show(); }
    } else if (event.key === " ") {
      this.isDown = !this.isDown;
      if (this.isDown) this.stroke(this.at); else this.show();
    } else if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else return;
    event.preventDefault();
  }

  stroke(to) {
    Object.assign(this.pen, { lineWidth: this.width, lineCap: "round", lineJoin: "round", strokeStyle: "#000" });
    this.pen.beginPath();
    this.pen.moveTo(...this.at);
    this.pen.lineTo(to[0] + 0.01, to[1]);
    this.pen.stroke();
    Object.assign(this, { at: to, isEmpty: false });
    this.show();
    this.changed();
  }

  clear() {
    this.pen.clearRect(0, 0, SIDE, SIDE);
    Object.assign(this, { isEmpty: true, isDown: false });
    this.show();
    this.changed();
  }

  // Paints ink on paper into a context; `place` puts the ink where it belongs.
  paint(context, place) {
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, SIDE, SIDE);
    place(context);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = this.isDark ? "#000" : "#fff";
    context.fillRect(0, 0, SIDE, SIDE);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = this.isDark ? "#fff" : "#000";
    context.fillRect(0, 0, SIDE, SIDE);
    context.globalCompositeOperation = "source-over";
  }

  show() {
    const context = this.canvas.getContext("2d");
    this.paint(context, (to) => to.drawImage(this.ink, 0, 0));
    if (document.activeElement !== this.canvas) return;
    context.strokeStyle = this.isDown ? "#e69f00" : "#5aaee6";
    context.lineWidth = 3;
    context.beginPath();
    context.arc(...this.at, 7, 0, 7);
    context.stroke();
  }

  // The drawing as a PNG; `side` is the network's, null leaves the ink where it is.
  async image(side) {
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const found = side === null ? null : this.box();
    this.paint(canvas.getContext("2d"), (context) => {
      context.imageSmoothingQuality = "high";
      if (!found) return context.drawImage(this.ink, 0, 0);
      const { left, top, width, height, x, y } = found;
      const room = side < MARGINLESS ? SIDE : (20 / 28) * SIDE, scale = room / Math.max(width, height);
      const shift = (middle, from, size) => {  // to the middle, yet not over the edge
        const start = SIDE / 2 - (side < MARGINLESS ? size / 2 : middle - from) * scale;
        return Math.min(Math.max(start, 0), SIDE - size * scale);
      };
      context.drawImage(this.ink, left, top, width, height, shift(x, left, width), shift(y, top, height), width * scale, height * scale);
    });
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  // The box around the ink, and its centre of mass (x, y).
  box() {
    const { data } = this.pen.getImageData(0, 0, SIDE, SIDE);
    let left = SIDE, right = 0, top = SIDE, bottom = 0, mass = 0, x = 0, y = 0;
    for (let row = 0, at = 3; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++, at += 4) {
        const ink = data[at];
        if (!ink) continue;
        left = Math.min(left, column); right = Math.max(right, column + 1);
        top = Math.min(top, row); bottom = Math.max(bottom, row + 1);
        mass += ink; x += ink * (column + 0.5); y += ink * (row + 0.5);
      }
    }
    return mass ? { left, top, width: right - left, height: bottom - top, x: x / mass, y: y / mass } : null;
  }
}

{
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("map"), canvas = box.querySelector("canvas"), context = canvas.getContext("2d");
  const tip = document.getElementById("tip"), color = document.getElementById("color"), about = document.getElementById("image");
  const hue = (i) => classColor(i, data.classes.length);
  const hidden = new Set();
  let view = { x: 0, y: 0, zoom: 1 }, over = -1, kept = -1;

  const thumb = (sheet, at, size, label) => {
    const made = el("span", { class: "thumb", role: "img", "aria-label": label }), factor = size / Math.max(sheet.width, sheet.height);
    made.style.width = `${sheet.width * factor}px`; made.style.height = `${sheet.height * factor}px`;
    made.style.backgroundImage = `url(${sheet.src})`;
    made.style.backgroundSize = `${sheet.columns * sheet.width * factor}px auto`;
    made.style.backgroundPosition = `${-(at % sheet.columns) * sheet.width * factor}px ${-Math.floor(at / sheet.columns) * sheet.height * factor}px`;
    return made;
  };

  const scale = () => Math.min(box.clientWidth, box.clientHeight) * 0.47 * view.zoom;
  const place = ([x, y]) => [box.clientWidth / 2 + (x - view.x) * scale(), box.clientHeight / 2 - (y - view.y) * scale()];
  const group = (point) => (color.value === "said" ? point[3] : point[2]);
  const isShown = (point) => !hidden.has(group(point));

  const draw = () => {
    const dots = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
    canvas.width = box.clientWidth * dots; canvas.height = box.clientHeight * dots;
    context.scale(dots, dots);
    const ink = style.getPropertyValue("--ink"), red = style.getPropertyValue("--red"), faint = style.getPropertyValue("--range");
    const order = data.points.map((_, i) => i).filter((i) => isShown(data.points[i]));
    if (color.value === "right") order.sort((a, b) => (data.points[a][2] !== data.points[a][3]) - (data.points[b][2] !== data.points[b][3]));
    for (const i of order) {
      const point = data.points[i], [x, y] = place(point), wrong = point[2] !== point[3];
      context.fillStyle = color.value === "right" ? (wrong ? red : faint) : hue(group(point));
      context.beginPath();
      context.arc(x, y, color.value === "right" && wrong ? 5 : 3.5, 0, 2 * Math.PI);
      context.fill();
      if (color.value !== "right" && wrong) { context.strokeStyle = ink; context.lineWidth = 1.2; context.stroke(); }
    }
    for (const i of [over, kept]) if (i >= 0) {
      const [x, y] = place(data.points[i]);
      context.strokeStyle = ink; context.lineWidth = 2;
      context.beginPath(); context.arc(x, y, 8, 0, 2 * Math.PI); context.stroke();
    }
  };

  const nearest = (px, py, reach) => {
    let best = -1, least = reach * reach;
    data.points.forEach((point, i) => {
      if (!isShown(point)) return;
      const [x, y] = place(point), distance = (x - px) ** 2 + (y - py) ** 2;
      if (distance < least) { least = distance; best = i; }
    });
    return best;
  };

  const said = (i) => {
    const [, , label, predicted, share] = data.points[i], wrong = label !== predicted;
    return el("p", { class: wrong ? "wrong" : "" , text: wrong ? `${data.classes[label]}, taken for ${data.classes[predicted]} (${shareText(share)})` : `${data.classes[label]} (${shareText(share)})` });
  };

  const hover = (i) => {
    if (i === over) return;
    over = i;
    tip.hidden = i < 0;
    if (i >= 0) {
      const [x, y] = place(data.points[i]);
      tip.replaceChildren(thumb(data.sheet, i, 72, data.keys[i]), el("span", { text: data.keys[i] }), said(i));
      tip.style.left = x > box.clientWidth / 2 ? "" : `${x + 14}px`; tip.style.right = x > box.clientWidth / 2 ? `${box.clientWidth - x + 14}px` : "";
      tip.style.top = y > box.clientHeight / 2 ? "" : `${y}px`; tip.style.bottom = y > box.clientHeight / 2 ? `${box.clientHeight - y}px` : "";
    }
    draw();
  };

  const keep = (i) => {
    kept = i;
    if (i >= 0) {
      const near = data.near[i].map((at, rank) => el("figure", {}, thumb(data.knownSheet, at, 80, data.known[at][0]),
        el("figcaption", {}, el("b", { text: data.classes[data.known[at][1]] }), ` ${data.alike[i][rank].toFixed(2)}`)));
      about.replaceChildren(thumb(data.sheet, i, 160, data.keys[i]), el("h2", { text: data.keys[i] }), said(i),
        el("h3", { text: "Because it is similar to these training images" }), el("div", { class: "near" }, ...near),
        el("p", { class: "note", text: "Cosine of the angle between the embeddings; 1 is the same direction." }));
    }
    draw();
  };

  const centre = (i) => {
    const [x, y] = place(data.points[i]);
    if (x < 0 || y < 0 || x > box.clientWidth || y > box.clientHeight) { view.x = data.points[i][0]; view.y = data.points[i][1]; }
  };

  const zoom = (factor, px, py) => {
    const before = [(px - box.clientWidth / 2) / scale(), (box.clientHeight / 2 - py) / scale()];
    view.zoom = Math.min(60, Math.max(0.8, view.zoom * factor));
    view.x += before[0] - (px - box.clientWidth / 2) / scale();
    view.y += before[1] - (box.clientHeight / 2 - py) / scale();
    draw();
  };

  // One pointer drags, two pinch; a pointer that does not move keeps the image under it.
  const pointers = new Map();
  let moved = 0;
  const within = (event) => { const frame = box.getBoundingClientRect(); return [event.clientX - frame.left, event.clientY - frame.top]; };
  box.addEventListener("pointerdown", (event) => { box.setPointerCapture(event.pointerId); pointers.set(event.pointerId, within(event)); if (pointers.size === 1) moved = 0; });
  box.addEventListener("pointermove", (event) => {
    const at = within(event), before = pointers.get(event.pointerId);
    if (!before) return hover(nearest(...at, 14));
    if (pointers.size === 2) {
      const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
      const span = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]) || 1;
      zoom(span(at) / span(before), (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
      moved = 99;
    } else {
      moved += Math.abs(at[0] - before[0]) + Math.abs(at[1] - before[1]);
      if (moved > 4) { view.x -= (at[0] - before[0]) / scale(); view.y += (at[1] - before[1]) / scale(); hover(-1); draw(); }
    }
    pointers.set(event.pointerId, at);
  });
  const up = (event) => { if (pointers.delete(event.pointerId) && event.type === "pointerup" && moved <= 4) { const i = nearest(...within(event), 18); if (i >= 0) keep(i); } };
  box.addEventListener("pointerup", up);
  box.addEventListener("pointercancel", up);
  box.addEventListener("pointerleave", () => hover(-1));
  box.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 400), ...within(event)); }, { passive: false });

  // The nearest image in the direction of an arrow key, within 45° of it.
  const step = (dx, dy) => {
    const from = kept >= 0 ? data.points[kept] : [view.x, view.y];
    let best = -1, least = Infinity;
    data.points.forEach((point, i) => {
      if (i === kept || !isShown(point)) return;
      const x = point[0] - from[0], y = point[1] - from[1], along = x * dx + y * dy, across = Math.abs(x * dy - y * dx), distance = Math.hypot(x, y);
      if (along > 0 && along >= across && distance < least) { least = distance; best = i; }
    });
    if (best >= 0) { centre(best); keep(best); }
  };
  box.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (ways[event.key]) step(...ways[event.key]);
    else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.4 : 1 / 1.4, box.clientWidth / 2, box.clientHeight / 2);
    else return;
    event.preventDefault();
  });

  const wrong = data.points.map((point, i) => i).filter((i) => data.points[i][2] !== data.points[i][3]).sort((a, b) => data.points[b][4] - data.points[a][4]);
  let turn = 0;
  const mistake = document.getElementById("mistake");
  mistake.disabled = !wrong.length;
  mistake.addEventListener("click", () => { const i = wrong[turn++ % wrong.length]; centre(i); keep(i); });
  document.getElementById("whole").addEventListener("click", () => { view = { x: 0, y: 0, zoom: 1 }; draw(); });

  const legend = () => {
    const counts = data.classes.map((_, i) => data.points.filter((point) => group(point) === i).length);
    document.getElementById("legend").replaceChildren(...data.classes.map((name, i) => {
      const dot = el("i"), made = el("button", { type: "button", "aria-pressed": `${!hidden.has(i)}`, title: name }, dot, el("span", { text: `${name} · ${counts[i]}` }));
      dot.style.background = color.value === "right" ? "var(--range)" : hue(i);
      made.addEventListener("click", () => { if (!hidden.delete(i)) hidden.add(i); made.setAttribute("aria-pressed", `${!hidden.has(i)}`); draw(); });
      return made;
    }));
  };
  color.addEventListener("change", () => { legend(); draw(); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(box);
  legend();
  if (wrong.length) keep(wrong[0]); else keep(0);
}

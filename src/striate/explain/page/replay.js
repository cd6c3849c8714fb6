{
  const data = JSON.parse(document.getElementById("data").textContent);
  const hue = (i) => classColor(i, data.classes.length);
  const frame = document.getElementById("frame"), play = document.getElementById("play"), epoch = document.getElementById("epoch");
  const points = document.getElementById("points"), filters = document.getElementById("filters");
  const SVG = "http://www.w3.org/2000/svg", TOP = 4;
  const svg = (tag, attributes) => { const made = document.createElementNS(SVG, tag); for (const [name, text] of Object.entries(attributes)) made.setAttribute(name, text); return made; };

  const cursors = [];
  const first = data.history[0][0], last = data.history.at(-1)[0], across = (number) => (last === first ? 50 : (100 * (number - first)) / (last - first));
  for (const [title, train, validation, least] of [["loss", 1, 2, 0], ["accuracy", 3, 4, null]]) {
    const values = data.history.flatMap((row) => [row[train], row[validation]]), high = Math.max(...values), low = least ?? Math.min(...values);
    const up = (v) => 38 - (34 * (v - low)) / (high - low || 1);
    const figure = svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", height: 120, role: "img", "aria-label": `${title} after each epoch` });
    for (const [column, name] of [[train, "train"], [validation, "validation"]])
      figure.append(svg("polyline", { class: name, points: data.history.map((row) => `${across(row[0]).toFixed(2)},${up(row[column]).toFixed(2)}`).join(" ") }));
    const cursor = svg("line", { class: "cursor", y1: 0, y2: 40 });
    figure.append(cursor);
    cursors.push(cursor);
    const caption = el("figcaption");
    document.getElementById("curves").append(el("figure", {}, figure, caption));
    caption.update = (row) => { caption.textContent = row ? `${title}: training ${row[train].toFixed(4)}, validation ${row[validation].toFixed(4)}` : title; };
    cursors.push(caption);
  }

  document.getElementById("legend").append(...data.classes.slice(0, 24).map((name, i) => { const dot = el("i"); dot.style.background = hue(i); return el("span", {}, dot, name); }));
  const cards = data.images.map((shown) => {
    const list = el("ol"), card = el("figure", {}, el("img", { src: shown.src, alt: shown.name, class: data.tiny ? "tiny" : null }),
      el("div", {}, el("p", { text: shown.name }), list));
    document.getElementById("images").append(card);
    return list;
  });

  const fitted = (canvas, height) => {
    const dots = window.devicePixelRatio || 1, width = canvas.clientWidth;
    canvas.width = width * dots; canvas.height = (height ?? width) * dots;
    const context = canvas.getContext("2d");
    context.scale(dots, dots);
    return [context, width];
  };

  const drawPoints = (at) => {
    const [context, size] = fitted(points);
    data.points[at].forEach(([x, y], i) => {
      context.fillStyle = hue(data.pointLabels[i]);
      context.beginPath();
      context.arc(size / 2 + x * size * 0.46, size / 2 - y * size * 0.46, 3.5, 0, 2 * Math.PI);
      context.fill();
    });
  };

  // Grayscale kernels: blue below zero, red above; kernels over colors in these colors, grayscale being zero. Each on its own scale.
  const drawFilters = (at) => {
    const kernels = data.filters[at];
    document.getElementById("nofilters").hidden = kernels.length > 0;
    filters.hidden = !kernels.length;
    if (!kernels.length) return;
    const columns = Math.min(8, kernels.length), rows = Math.ceil(kernels.length / columns), tile = Math.floor(filters.clientWidth / columns);
    filters.style.height = `${rows * tile}px`;
    const [context] = fitted(filters, rows * tile), buffer = document.createElement("canvas");
    kernels.forEach((kernel, i) => {
      const h = kernel.length, w = kernel[0].length, image = new ImageData(w, h), most = Math.max(1e-9, ...kernel.flat(2).map(Math.abs));
      kernel.flat().forEach((channels, place) => {
        const v = channels.map((one) => one / most);
        const color = v.length === 3 ? v.map((one) => 127.5 * (1 + one)) : v[0] < 0 ? [255 * (1 + v[0]), 255 + 141 * v[0], 255 + 77 * v[0]] : [255 - 79 * v[0], 255 - 213 * v[0], 255 - 229 * v[0]];
        image.data.set([...color.map(Math.round), 255], place * 4);
      });
      buffer.width = w; buffer.height = h;
      buffer.getContext("2d").putImageData(image, 0, 0);
      context.imageSmoothingEnabled = false;
      context.drawImage(buffer, (i % columns) * tile + 1, Math.floor(i / columns) * tile + 1, tile - 2, tile - 2);
    });
  };

  const drawPredictions = (at) => data.probabilities[at].forEach((shares, i) => {
    const label = data.images[i].label, order = shares.map((_, k) => k).sort((a, b) => shares[b] - shares[a]).slice(0, TOP);
    if (!order.includes(label)) order[order.length - 1] = label;
    cards[i].replaceChildren(...order.map((k) => {
      const bar = el("i");
      bar.style.width = `${100 * shares[k]}%`;
      return el("li", { class: k === label ? "true" : null }, el("span", { text: data.classes[k] }), el("b", { text: shareText(shares[k]) }), bar);
    }));
  });

  const show = () => {
    const at = Number(frame.value), number = data.epochs[at], row = data.history.find((one) => one[0] === number);
    epoch.textContent = `epoch ${number}${number === data.kept ? " (kept)" : ""}`;
    for (const one of cursors) if (one.update) one.update(row); else { one.setAttribute("x1", across(number)); one.setAttribute("x2", across(number)); }
    drawPoints(at); drawFilters(at); drawPredictions(at);
  };

  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶ play"; play.setAttribute("aria-pressed", "false"); };
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(frame.value) === data.epochs.length - 1) frame.value = 0;
    show();
    play.textContent = "❚❚ stop"; play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => { if (Number(frame.value) >= data.epochs.length - 1) return stop(); frame.value = Number(frame.value) + 1; show(); }, Math.max(120, Math.min(700, 12000 / data.epochs.length)));
  });
  frame.addEventListener("input", () => { stop(); show(); });
  window.addEventListener("resize", show);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

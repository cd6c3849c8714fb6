"use strict";
{
  const data = JSON.parse(document.getElementById("cells").textContent);
  const dialog = document.getElementById("cell");
  const element = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const percent = (share) => {
    const digits = share < 0.995 ? 0 : 1;
    const shown = Math.min(100 * share, share < 1 ? 99.9 : 100);
    return shown.toFixed(digits) + "\u00a0%";
  };

  const figure = (item) => {
    const made = element("figure", "");
    const image = element("img", item.tiny ? "tiny" : "");
    image.src = item.src;
    image.alt = data.classes[item.true];
    image.title = item.key;
    const caption = element("figcaption", "");
    item.said.forEach(([label, share], place) => {
      const line = element("span", "said" + (place ? "" : " first") + (label === item.true ? " true" : ""));
      const bar = element("s", "");
      bar.style.width = 100 * share + "%";
      line.append(element("b", "", data.classes[label]), element("i", "", percent(share)), bar);
      caption.append(line);
    });
    made.append(image, caption);
    return made;
  };

  const open = (button) => {
    const [i, j] = button.dataset.cell.split(",").map(Number);
    const shown = data.cells[`${i},${j}`] || [];
    const total = Number(button.dataset.total || shown.length);
    const right = i === j;
    dialog.querySelector("h2").textContent = right
      ? `“${data.classes[i]}”, answered rightly`
      : `“${data.classes[i]}” taken for “${data.classes[j]}”`;
    const which = right ? "the least sure first" : "the most confident first";
    dialog.querySelector(".note").textContent =
      (shown.length < total ? `${shown.length} of ${total.toLocaleString("en")} images` : `${total} image${total === 1 ? "" : "s"}`) +
      (total > 1 ? `, ${which}.` : ".");
    dialog.querySelector(".gallery").replaceChildren(...shown.map((place) => figure(data.images[place])));
    dialog.showModal();
    dialog.scrollTop = 0;
  };

  for (const button of document.querySelectorAll("[data-cell]")) button.addEventListener("click", () => open(button));
  document.getElementById("cell-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].querySelectorAll("th")];
    const body = table.tBodies[0];
    heads.forEach((head) =>
      head.firstElementChild.addEventListener("click", () => {
        const column = head.cellIndex;
        const was = head.getAttribute("aria-sort");
        const order = was === "none" ? (column ? "descending" : "ascending") : was === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", other === head ? order : "none"));
        const sign = order === "ascending" ? 1 : -1;
        const rows = [...body.rows];
        rows.sort((a, b) => sign * (Number(a.cells[column].dataset.v) - Number(b.cells[column].dataset.v)));
        body.append(...rows);
      }),
    );
  }
}

// What the classifier says: the class, and bars for the most probable ones.

const BARS = 5;
const $ = (id) => document.getElementById(id);

function percent(share) {
  const shown = 100 * share;
  if (share < 1 && shown > 99.95) return "> 99.9\u00a0%";
  if (share > 0 && shown < 0.05) return "< 0.1\u00a0%";
  return `${shown.toFixed(1)}\u00a0%`;
}

// `of` is what was asked about. The rows are made once and then changed, so that bars move instead of jumping.
function showAnswer(answer, of) {
  $("of").textContent = of;
  $("guess").className = `guess${answer.abstained ? " abstained" : ""}`;
  $("guess").textContent = answer.abstained ? "Not sure" : answer.label;
  $("note").textContent = answer.abstained ? "The most probable class is less sure than this classifier was told to require." : "";
  const rows = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]).slice(0, BARS);
  const list = $("bars");
  while (list.children.length > rows.length) list.lastChild.remove();
  while (list.children.length < rows.length) {
    list.append(el("li", {}, el("span"), el("div", { class: "bar", "aria-hidden": "true" }, el("i")), el("b")));
  }
  rows.forEach(([name, share], at) => {
    const [label, bar, number] = list.children[at].children;
    label.textContent = name;
    bar.firstChild.style.width = `${100 * share}%`;
    number.textContent = percent(share);
  });
}

function showProblem(error, of) {
  $("of").textContent = of;
  $("guess").className = "guess broken";
  $("guess").textContent = error.message;
  $("bars").replaceChildren();
  $("note").textContent = error.code === "busy" ? "It is answering others; try again in a moment." : "";
}

function showNothing(of = "No image yet") {
  $("of").textContent = of;
  $("guess").className = "guess";
  $("guess").textContent = "—";
  $("bars").replaceChildren();
  $("note").textContent = "";
}

// The page: one image at a time, from a file, the pad or the camera, and those before it.

const MOST = 24, TINY = 64, NAMED = 4;  // images kept; pixels drawn with hard edges; classes named above
const PAGE = { about: null, current: null, mode: "image" };

// An image that was answered: {blob, name, url, answer | problem}.
async function answer(item) {
  PAGE.current = item;
  $("look").disabled = true;
  $("views").hidden = true;
  try {
    item.answer = await answerTo(item.blob);
    item.problem = null;
  } catch (error) {
    item.problem = error;
  }
  if (PAGE.current === item) show(item);
}

function show(item) {
  if (item.problem?.code === "token") return locked(item.problem);
  if (item.problem) showProblem(item.problem, item.name); else showAnswer(item.answer, item.name);
  $("look").disabled = Boolean(item.problem);
  if (item.answer) $("version").textContent = `${item.answer.classifier}, version ${item.answer.version}.`;
  for (const button of $("strip").children) button.setAttribute("aria-pressed", String(button.item === item));
}

// Images as files

async function take(files) {
  const chosen = [...files];
  if (!chosen.length) return;
  turnTo("image");
  for (const file of chosen) {
    const item = { blob: file, name: file.name || "A pasted image", url: URL.createObjectURL(file), answer: null };
    showPicture(item);
    await answer(item);
    keep(item);
  }
}

function showPicture(item) {
  const image = $("shown");
  image.hidden = false;
  image.onload = () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY);
  image.onerror = () => { image.hidden = true; $("invite").hidden = false; };  // a format that the server may know
  image.src = item.url;
  image.alt = item.name;
  $("invite").hidden = true;
  $("drop").classList.add("has");
}

function keep(item) {
  const said = item.problem ? "not read" : item.answer.abstained ? "not sure" : item.answer.label;
  const image = el("img", { src: item.url, alt: "" });
  image.onload = () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY);
  image.onerror = () => image.replaceWith(el("i", { class: "gone", "aria-hidden": "true", text: "?" }));
  const button = el("button", { type: "button", title: item.name, "aria-pressed": "false", onclick: () => {
    turnTo("image");
    PAGE.current = item;
    $("views").hidden = true;
    showPicture(item);
    show(item);
  } }, image, el("span", { text: said }));
  button.item = item;
  $("strip").prepend(button);
  while ($("strip").children.length > MOST) {
    URL.revokeObjectURL($("strip").lastChild.item.url);
    $("strip").lastChild.remove();
  }
  $("before").hidden = false;
  if (PAGE.current === item) show(item);
}

// Where it looked

async function look() {
  const item = PAGE.current;
  if (!item) return;
  $("look").disabled = true;
  $("note").textContent = "Covering it place by place…";
  try {
    const found = await heatOf(item.blob);
    if (PAGE.current !== item) return;
    $("seen").src = found.pixels;
    $("heat").src = found.overlay;
    for (const image of [$("seen"), $("heat")]) image.classList.toggle("tiny", Math.max(found.height, found.width) <= TINY);
    $("heat-of").textContent = `Bright where covering it takes most from “${found.label}”`;
    $("views").hidden = false;
    $("note").textContent = "";
  } catch (error) {
    if (PAGE.current === item) $("note").textContent = error.message;
  } finally {
    if (PAGE.current === item) $("look").disabled = false;
  }
}

// Drawings and the camera

const drawn = latest(async () => {
  if (pad.isEmpty) { PAGE.current = null; $("look").disabled = true; $("views").hidden = true; return showNothing("Nothing drawn yet"); }
  const { height, width } = PAGE.about.preprocessing;
  const blob = await pad.image($("centre").checked ? Math.min(height, width) : null);
  if (PAGE.mode === "draw") await answer({ blob, name: "Your drawing" });
});
const pad = new Pad($("pad"), () => drawn());
const camera = new Camera($("video"), async (blob) => { if (PAGE.mode === "camera") await answer({ blob, name: "What the camera sees" }); });

async function startCamera() {
  $("camera-note").textContent = "Asking for the camera…";
  try {
    await camera.start();
    $("camera-note").textContent = "";
  } catch (error) {
    $("camera-note").textContent = error.name === "NotAllowedError" ? "The browser was told not to give this page the camera." : error.name === "NotFoundError" ? "There is no camera." : error.message;
  }
  if (PAGE.mode !== "camera") camera.stop();
}

function turnTo(mode) {
  if (PAGE.mode === mode) return;
  if (PAGE.mode === "camera") camera.stop();
  PAGE.mode = mode;
  for (const one of ["image", "draw", "camera"]) {
    $(one).hidden = one !== mode;
    $(`tab-${one}`).setAttribute("aria-pressed", String(one === mode));
  }
  PAGE.current = null;
  $("look").disabled = true;
  $("look").hidden = mode === "camera";  // where each answer is gone before it could be explained
  $("views").hidden = true;
  showNothing(mode === "draw" ? "Nothing drawn yet" : mode === "camera" ? "Nothing seen yet" : "No image chosen");
  if (mode === "draw") { pad.show(); if (!pad.isEmpty) drawn(); }
  if (mode === "camera") startCamera();
}

// What is served

async function introduce() {
  try {
    PAGE.about = await aboutClassifier();
  } catch (error) {
    return locked(error);
  }
  const { classifier, classifiers, classes, architecture, test, preprocessing, pages } = PAGE.about;
  API.name = classifier;
  document.title = `${classifier} · Striate`;
  $("name").textContent = classifier;
  $("about").textContent = lead(classes, architecture, test);
  $("which").hidden = classifiers.length < 2;
  $("classifier").replaceChildren(...classifiers.map((name) => el("option", { value: name, text: name, selected: name === classifier })));
  $("tab-draw").hidden = preprocessing.channels !== 1;
  $("desk").hidden = false;
  $("locked").hidden = true;
  $("version").textContent = `${classifier}, version ${PAGE.about.version}.`;
  $("pages").replaceChildren(...Object.entries({ inside: "See inside the network", report: "The report" }).filter(([name]) => pages.includes(name)).map(([name, text]) => link(name, text)));
}

// A run's own page. A link cannot carry a token: with one, the page is fetched and handed over as a file.
function link(name, text) {
  const address = `/${name}?${new URLSearchParams({ classifier: API.name })}`;
  if (!API.token) return el("a", { href: address, target: "_blank", rel: "noopener", text: `${text} →` });
  return el("button", { type: "button", text: `${text} ↓`, onclick: async () => {
    const url = URL.createObjectURL(await ask(`/${name}`, { query: { classifier: API.name }, as: "blob" }));
    el("a", { href: url, download: `${API.name} ${name}.html` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  } });
}

function lead(classes, architecture, test) {
  const more = classes.length - NAMED, some = classes.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
  const what = `Tells ${classes.length} classes apart: ${some}`;
  if (test.accuracy === undefined) return `${what} (${architecture}).`;
  const [low, high] = test.interval.map(percent);
  return `${what}. Right on ${percent(test.accuracy)} of ${test.n.toLocaleString("en")} test images (95\u00a0% interval ${low} to ${high}).`;
}

function locked(error) {
  if (error.code !== "token") { $("about").textContent = error.message; return; }
  $("refused").textContent = API.token ? "That is not the token." : "";
  remember(null);
  camera.stop();
  Object.assign($("about"), { textContent: "" });
  $("desk").hidden = true;
  $("locked").hidden = false;
  $("token").focus();
}

// Listeners

$("file").addEventListener("change", async () => { const files = [...$("file").files]; $("file").value = ""; await take(files); });
document.addEventListener("paste", (event) => take(event.clipboardData.files));
for (const kind of ["dragenter", "dragover"]) document.addEventListener(kind, (event) => { event.preventDefault(); document.body.classList.add("over"); });
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
document.addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("over"); take(event.dataTransfer.files); });
for (const mode of ["image", "draw", "camera"]) $(`tab-${mode}`).addEventListener("click", () => turnTo(mode));
$("clear").addEventListener("click", () => pad.clear());
$("pen").addEventListener("input", () => { pad.width = Number($("pen").value); });
$("ink").addEventListener("change", () => { pad.isDark = $("ink").checked; pad.show(); drawn(); });
$("centre").addEventListener("change", () => drawn());
$("pad").addEventListener("focus", () => pad.show());
$("look").addEventListener("click", look);
$("shoot").addEventListener("click", async () => {
  if (!camera.stream || !$("video").videoWidth) return;
  const blob = await camera.image();
  await take([new File([blob], "A photograph", { type: blob.type })]);
});
$("classifier").addEventListener("change", async () => { API.name = $("classifier").value; PAGE.current = null; showNothing(); $("look").disabled = true; $("views").hidden = true; turnTo("image"); await introduce(); });
$("unlock").addEventListener("submit", async (event) => { event.preventDefault(); remember($("token").value.trim()); $("token").value = ""; await introduce(); });
introduce();

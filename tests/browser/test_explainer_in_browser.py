"""The page in which an image flows through a model, driven in a browser and held against Keras."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.data.preprocessing import Preprocessing
from striate.explain.explainer.html import save_explainer
from striate.explain.explainer.payload import ExplainerImage
from striate.explain.explainer.steps import compute_step_values, extract_steps
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed

NETWORKS = {
    "mlp": (28, 28, 1),
    "lenet": (28, 28, 1),
    "cnn-fast": (28, 28, 1),
    "resnet20": (32, 32, 3),
    "mobilenet_v3_small": (64, 64, 3),
    "xception": (48, 48, 3),
}
CLASSES = ("<b>cat</b>", "dog", "猫", "</script>", "e", "f", "g", "h", "i", "j")


def classifier(name: str, seed: int = 0) -> Classifier:
    """Returns an untrained classifier whose normalisations hold the statistics of images, as training leaves them."""
    set_seed(seed)
    shape = NETWORKS[name]
    model = build_model(ARCHITECTURES[name], shape, len(CLASSES))
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # the next batch's statistics are taken for its own
            for weights, middle in ((layer.gamma, 1), (layer.beta, 0)):
                if weights is not None:
                    weights.assign(rng.normal(middle, 0.1, weights.shape))
    model(np.stack([one.pixels for one in pictures(name, 50)]).astype("float32"), training=True)
    return Classifier(model, CLASSES, Preprocessing(*shape), architecture=name, temperature=1.5)


def pictures(name: str, count: int) -> list[ExplainerImage]:
    """Returns images of noise and slopes, which excite more than noise alone."""
    rng = np.random.default_rng(3)
    height, width, channels = NETWORKS[name]
    slope = np.linspace(0, 127, height * width * channels).reshape(height, width, channels)
    drawn = [np.clip(rng.normal(rng.uniform(0, 128), 60, slope.shape) + slope, 0, 255) for _ in range(count)]
    return [ExplainerImage(f"{number}.png", one.astype(np.uint8)) for number, one in enumerate(drawn)]


def differences(chromium: Any, made: Classifier, shown: list[ExplainerImage]) -> float:
    """Returns by how much a number in the page differs from Keras' at most, over all steps of all images."""
    found, most = extract_steps(made.model), 0.0
    for at, one in enumerate(shown):
        chromium.run("explorer.engine.runNow(arguments[0], octets(DATA.images[arguments[0]].pixels))", at)
        expected = compute_step_values(made.model, found, one.pixels)
        block = b"".join(value.astype("<f4").tobytes() for value in expected if value is not None)
        sizes = [None if value is None else value.size for value in expected]
        most = max(most, chromium.run(COMPARE, base64.b64encode(block).decode(), sizes))
        fractions = np.array(chromium.run("return Array.from(explorer.engine.values[SOFTMAX])"))
        assert fractions == pytest.approx(made.predict_probabilities(one.pixels[None])[0], abs=1e-5)
    return most


COMPARE = """
const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
const numbers = new Float32Array(bytes.buffer);
let from = 0, most = 0;
arguments[1].forEach((size, at) => {
  if (size === null) return;
  const own = explorer.engine.values[at];
  if (own.length !== size) throw new Error(`${STEPS[at].name}: ${own.length} numbers for ${size}`);
  for (let i = 0; i < size; i++) most = Math.max(most, Math.abs(own[i] - numbers[from + i]));
  from += size;
});
return most;
"""


@pytest.mark.parametrize("name", ("mlp", "lenet", "cnn-fast", "resnet20"))  # the slow one has all
def test_every_number_is_keras(chromium, tmp_path: Path, name: str):
    made, shown = classifier(name), pictures(name, 2)
    assert save_explainer(tmp_path / "page.html", made, shown, run_name="run", max_weight_bytes=2**30)
    chromium.open(tmp_path / "page.html")
    assert differences(chromium, made, shown) <= 1e-4
    assert chromium.complaints() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_of_fifty_images_is_keras(chromium, tmp_path: Path, name: str):
    made, most = classifier(name, seed=1), 0.0
    every = pictures(name, 50)
    for start in range(0, 50, 10):
        save_explainer(tmp_path / "page.html", made, every[start : start + 10], run_name="run", max_weight_bytes=2**30)
        chromium.open(tmp_path / "page.html")
        most = max(most, differences(chromium, made, every[start : start + 10]))
    assert most <= 1e-4


class Page:
    """An explainer that is open in the browser, by what its readers click and read."""

    def __init__(
        self, chromium: Any, made: Classifier, shown: list[ExplainerImage], path: Path, **options: Any
    ) -> None:
        self.chromium = chromium
        self.values = compute_step_values(made.model, extract_steps(made.model), shown[0].pixels)
        self.names = [step.name for step in extract_steps(made.model)]
        save_explainer(path, made, shown, run_name="<i>run</i>", **options)
        chromium.resize(1280)
        chromium.prefer("light")
        chromium.open(path)
        chromium.wait("return explorer.step !== undefined")

    def open(self, step: str) -> None:
        """Clicks a layer."""
        self.chromium.run("document.querySelector(`[data-step='${arguments[0]}']`).click()", step)

    def press(self, *keys: str) -> None:
        """Presses keys while the layer has the focus."""
        from selenium.webdriver.common.keys import Keys

        view = self.chromium.driver.find_element("id", "view")
        for key in keys:
            view.send_keys(getattr(Keys, key))

    def read(self, number: str) -> float:
        """Returns a number that is shown, with all its digits."""
        found = self.chromium.run(f"return document.querySelector('#view [data-number={number}]').dataset.value")
        return float(found)

    def keras(self, step: str, *place: int) -> float:
        """Returns what Keras has there."""
        return float(self.values[self.names.index(step)][place])


@pytest.fixture(scope="module")
def lenet(chromium, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return Page(chromium, classifier("lenet"), pictures("lenet", 3), tmp_path_factory.mktemp("page") / "lenet.html")


def test_a_convolution_is_stepped_through_by_keys(lenet: Page):
    lenet.open("c3")
    assert lenet.read("output") == pytest.approx(lenet.keras("c3", 5, 5, 0), abs=1e-4)
    lenet.press("ARROW_RIGHT", "ARROW_DOWN", "ARROW_DOWN", "PAGE_DOWN")
    assert lenet.read("output") == pytest.approx(lenet.keras("c3", 7, 6, 1), abs=1e-4)
    products = lenet.chromium.run(
        "return Array.from(document.querySelectorAll('[data-grid=products] [data-value]'), (one) => +one.dataset.value)"
    )
    assert len(products) == 25
    assert sum(products) == pytest.approx(lenet.read("channel"), abs=1e-6)
    assert sum(lenet.read(name) for name in ("channel", "others", "bias")) == pytest.approx(lenet.read("before"))
    assert np.tanh(lenet.read("before")) == pytest.approx(lenet.read("output"))
    before = lenet.read("channel")
    lenet.chromium.run("document.querySelector('.channels [data-channel=\"3\"]').click()")
    assert lenet.read("channel") != before
    assert lenet.read("output") == pytest.approx(lenet.keras("c3", 7, 6, 1), abs=1e-4)


def test_pointing_moves_the_window_and_leaving_puts_it_back(lenet: Page):
    from selenium.webdriver.common.action_chains import ActionChains

    lenet.open("c1")
    kept = lenet.read("output")
    frame = lenet.chromium.driver.find_elements("css selector", "#view .frame")[1]
    width = frame.size["width"]
    place = round(10.5 / 28 * width - width / 2), round(4.5 / 28 * width - width / 2)
    ActionChains(lenet.chromium.driver).move_to_element_with_offset(frame, *place).perform()
    assert lenet.read("output") == pytest.approx(lenet.keras("c1", 4, 10, 0), abs=1e-4)
    head = lenet.chromium.driver.find_element("css selector", "#head h2")
    ActionChains(lenet.chromium.driver).move_to_element(head).perform()
    assert lenet.read("output") == kept
    ActionChains(lenet.chromium.driver).move_to_element_with_offset(frame, *place).click().move_to_element(
        head
    ).perform()
    assert lenet.read("output") == pytest.approx(lenet.keras("c1", 4, 10, 0), abs=1e-4)


def test_a_finger_moves_the_window(lenet: Page):
    lenet.chromium.resize(390)
    lenet.open("c1")
    box = lenet.chromium.run(
        "const frame = document.querySelectorAll('#view .frame')[1]; frame.scrollIntoView({ block: 'center' });"
        "const { left, top, width } = frame.getBoundingClientRect(); return { left, top, width };"
    )
    points = [(6, 6), (9, 12), (20, 15)]
    for kind, (row, column) in zip(("touchStart", "touchMove", "touchMove"), points, strict=True):
        place = {
            "x": box["left"] + (column + 0.5) / 28 * box["width"],
            "y": box["top"] + (row + 0.5) / 28 * box["width"],
        }
        lenet.chromium.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
    lenet.chromium.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    lenet.chromium.resize(1280)
    assert lenet.read("output") == pytest.approx(lenet.keras("c1", 20, 15, 0), abs=1e-4)


def test_pooling_dense_and_softmax_tell_the_same_numbers(lenet: Page):
    lenet.open("s2")
    assert lenet.read("output") == pytest.approx(lenet.keras("s2", 7, 7, 0), abs=1e-4)
    lenet.open("embedding")
    lenet.press("PAGE_DOWN", "PAGE_DOWN")
    assert lenet.read("output") == pytest.approx(lenet.keras("embedding", 2), abs=1e-4)
    lenet.open("probabilities")
    logits = lenet.values[-1].astype(np.float64) / 1.5
    fractions = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert lenet.read("output") == pytest.approx(fractions.max(), abs=1e-5)
    table = lenet.chromium.run(
        "return Array.from(document.querySelectorAll('[data-probability]'), (cell) => +cell.dataset.value)"
    )
    assert table == pytest.approx(fractions, abs=1e-5)


def test_painting_changes_the_prediction_and_restoring_brings_it_back(lenet: Page):
    from selenium.webdriver.common.action_chains import ActionChains

    prediction = "return Array.from(explorer.engine.values[SOFTMAX])"
    lenet.open("image")
    before = lenet.chromium.run(prediction)
    lenet.chromium.run("document.getElementById('brush').click()")
    frame = lenet.chromium.driver.find_element("css selector", "#view .frame")
    drag = ActionChains(lenet.chromium.driver).move_to_element_with_offset(frame, -80, 0).click_and_hold()
    drag.move_by_offset(80, 10).move_by_offset(60, 0).release().perform()
    assert np.abs(np.subtract(lenet.chromium.run(prediction), before)).max() > 1e-4
    lenet.chromium.run("Array.from(document.querySelectorAll('.tools button')).at(-1).click()")
    assert lenet.chromium.run(prediction) == before


def test_every_layer_opens_and_every_lesson_has_numbers(lenet: Page):
    for name in (*lenet.names, "probabilities"):
        lenet.open(name)
        assert lenet.chromium.run("return document.querySelector('#head h2').textContent") == name
        assert lenet.chromium.run("return document.querySelectorAll('#view [data-number=output]').length") == 1
        assert "NaN" not in lenet.chromium.run("return document.body.innerText")
    lessons = lenet.chromium.run("return DATA.lessons.map((lesson) => lesson.name)")
    for name in lessons:
        lenet.chromium.run("explorer.lessons.show(arguments[0])", name)
        told = lenet.chromium.run("return document.querySelector('#lessons .live').innerText")
        assert len(told) > 20, name
        assert "NaN" not in told
    assert lenet.chromium.complaints() == []


def test_a_step_of_back_propagation_lowers_the_loss_as_it_says(lenet: Page):
    lenet.chromium.run("explorer.lessons.show('back-propagation')")
    loss, after = (
        float(lenet.chromium.run(f"return document.querySelector('#lessons [data-number={name}]').dataset.value"))
        for name in ("loss", "after")
    )
    made = classifier("lenet")
    dense, x = made.model.get_layer("logits"), lenet.values[lenet.names.index("embedding")].astype(np.float64)
    kernel, bias = (weights.astype(np.float64) for weights in dense.get_weights())
    label = int(lenet.values[-1].argmax())

    def loss_of(kernel: Any, bias: Any) -> float:
        scaled = (x @ kernel + bias) / 1.5
        return float(np.log(np.exp(scaled - scaled.max()).sum()) + scaled.max() - scaled[label])

    assert loss == pytest.approx(loss_of(kernel, bias), abs=1e-5)
    steps_ = 1e-6  # the slopes, by differences
    slopes = np.array([(loss_of(kernel, bias + steps_ * one) - loss) / steps_ for one in np.eye(10)])
    moved = loss_of(kernel - 0.1 * np.outer(x, slopes), bias - 0.1 * slopes)
    assert after == pytest.approx(moved, abs=1e-4)
    assert after < loss


def test_it_asks_for_nothing_and_everybody_can_read_it(chromium, tmp_path: Path, width: int, scheme: str):
    page = Page(chromium, classifier("lenet"), pictures("lenet", 3), tmp_path / "page.html")
    chromium.resize(width)
    chromium.prefer(scheme)
    assert chromium.requests() == []
    for name in ("c1", "s2", "embedding", "probabilities", "image"):
        page.open(name)
        assert chromium.violations() == []
        assert chromium.run("return document.documentElement.scrollWidth") <= width
    assert chromium.complaints() == []
    assert chromium.run("return document.title") == "Inside <i>run</i>"


def test_a_large_model_holds_what_was_asked_for(chromium, tmp_path: Path):
    page = Page(
        chromium,
        classifier("xception"),
        pictures("xception", 1),
        tmp_path / "page.html",
        max_weight_bytes=2**21,
        include_layers=["block13_sepconv2"],
    )
    states = chromium.run("return STEPS.map((step) => step.state)")
    assert {"computed", "given", "absent"} <= set(states)
    assert chromium.run("return Array.from(explorer.engine.values[LOGITS])") == pytest.approx(page.values[-1], abs=1e-4)
    page.open("block13_sepconv2")
    page.press("ARROW_LEFT")
    at = chromium.run("return explorer.place")
    assert page.read("output") == pytest.approx(page.keras("block13_sepconv2", at["y"], at["x"], at["c"]), abs=1e-4)
    absent = chromium.run("return STEPS.find((step) => step.state === 'absent' && step.bytes).name")
    page.open(absent)
    assert "too large for one page" in chromium.run("return document.querySelector('#scene').innerText")
    assert f"--include-layer {absent}" in chromium.run("return document.querySelector('#scene').innerText")
    assert (tmp_path / "page.html").stat().st_size < 2**24
    assert chromium.complaints() == []

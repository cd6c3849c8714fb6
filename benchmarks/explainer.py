"""How large the explainer is, how soon it opens, how fast it answers, and how far its numbers are from Keras'.

    python benchmarks/explainer.py DATA [--rounds N] [--pictures N]

DATA holds mnist, cifar10_jpeg and cats_dogs, of which images are drawn at random. Each model, untrained and with
normalisations that hold its images' statistics, is written as a page and opened in Chromium from a file. Opening:
from the start of the navigation until the first layer is shown with its numbers. Hovering: the pointer is moved over a
convolution's map; from the event until the next frame is ready. Difference: the largest between a number in the page
and Keras', over every step of the model and every image; beside it the largest number there was, the difference
from Keras computing in float64, and how far Keras in float32 is from that.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from evidence import publish, spread
from numpy.typing import NDArray

from striate.classifier import Classifier
from striate.data.loaders.builtin import DATASETS
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing
from striate.explain.explainer.html import MAX_EXPLAINER_IMAGES, save_explainer
from striate.explain.explainer.payload import ExplainerImage
from striate.explain.explainer.steps import compute_step_values, extract_steps
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras, set_seed

NETWORKS: dict[str, tuple[str, int, Literal[1, 3]]] = {
    "mlp": ("mnist", 28, 1),
    "lenet": ("mnist", 28, 1),
    "cnn": ("mnist", 28, 1),
    "resnet20": ("cifar10_jpeg", 32, 3),
    "mobilenet_v2": ("cats_dogs", 96, 3),
    "googlenet": ("cifar10_jpeg", 32, 3),
}
"""Model → whose images, their side and channels."""
WHOLE = 2**30  # bytes: every model is held whole
DIFFERENCE = """
const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
const numbers = new Float32Array(bytes.buffer);
explorer.engine.runNow(arguments[1], octets(DATA.pictures[arguments[1]].pixels));
let from = 0, most = 0;
for (const step of STEPS.slice(0, -1)) {
  const own = explorer.engine.values[step.at];
  for (let i = 0; i < own.length; i++) most = Math.max(most, Math.abs(own[i] - numbers[from + i]));
  from += own.length;
}
return most;
"""
HOVER = """
const done = arguments[1], frame = document.querySelectorAll("#view .frame")[1], box = frame.getBoundingClientRect();
const times = [];
const once = (n) => {
  if (n === arguments[0]) return done(times);
  requestAnimationFrame(() => {
    const began = performance.now(), at = (n + 0.5) / arguments[0];
    frame.dispatchEvent(new PointerEvent("pointermove",
      { clientX: box.left + at * box.width, clientY: box.top + at * box.height, bubbles: true }));
    document.body.getBoundingClientRect();   // the layout that a frame needs
    times.push(performance.now() - began);
    once(n + 1);
  });
};
once(0);
"""


def browser() -> Any:
    """Returns Chromium without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def drawn(data: Path, name: str, form: Preprocessing, count: int) -> NDArray[np.uint8]:
    """Returns (count, h, w, c) images of a set, drawn at random."""
    where: dict[str, Any] = {"data_dir": data} if name in DATASETS else {}
    images = load_images(name if where else str(data / name), **where)
    chosen = np.random.default_rng(1).choice(len(images), count, replace=False)
    return np.stack([form(images.sources[int(at)]) for at in chosen])


def made(name: str, form: Preprocessing, pixels: NDArray[np.uint8]) -> Classifier:
    """Returns an untrained classifier whose normalisations hold the statistics of these images."""
    set_seed(0)
    model = build_model(ARCHITECTURES[name], form.shape, 10)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # the next batch's statistics are taken for its own
            for weights, middle in ((layer.gamma, 1), (layer.beta, 0)):
                if weights is not None:
                    weights.assign(rng.normal(middle, 0.1, weights.shape))
    model(pixels.astype("float32"), training=True)
    return Classifier(model, [str(n) for n in range(10)], form, architecture=name)


def in_double(name: str, classifier: Classifier) -> Any:
    """Returns the same model computing in float64: what rounding in float32 costs Keras itself is told by it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        model = build_model(ARCHITECTURES[name], classifier.preprocessing.shape, 10)
    finally:
        keras.config.set_dtype_policy(before)
    model.set_weights(classifier.model.get_weights())
    return model


def measured(driver: Any, data: Path, name: str, rounds: int, count: int, folder: Path) -> dict[str, Any]:
    """Returns one model's figures."""
    source, side, channels = NETWORKS[name]
    form, path = Preprocessing(side, side, channels), folder / f"{name}.html"
    pixels = drawn(data, source, form, count)
    classifier = made(name, form, pixels)
    found, double = extract_steps(classifier.model), in_double(name, classifier)
    found_double = extract_steps(double)
    most, largest, exact, rounding = 0.0, 0.0, 0.0, 0.0
    for start in range(0, count, MAX_EXPLAINER_IMAGES):
        part = pixels[start : start + MAX_EXPLAINER_IMAGES]
        save_explainer(
            path,
            classifier,
            [ExplainerImage(str(at), one) for at, one in enumerate(part)],
            run_name=name,
            max_weight_bytes=WHOLE,
        )
        _open(driver, path)
        for at, one in enumerate(part):
            expected = [value for value in compute_step_values(classifier.model, found, one) if value is not None]
            true = [value for value in compute_step_values(double, found_double, one) if value is not None]
            most = max(most, driver.execute_script(DIFFERENCE, _block(expected), at))
            exact = max(exact, driver.execute_script(DIFFERENCE, _block(true), at))
            rounding = max(rounding, *(float(np.abs(a - b).max()) for a, b in zip(expected, true, strict=True)))
            largest = max(largest, *(float(np.abs(value).max()) for value in expected[1:]))  # the pixels left out
    opened = [_open(driver, path) for _ in range(rounds)]
    driver.execute_script("explorer.open(first(['conv', 'dense']), null)")
    has_map = driver.execute_script("return explorer.step.kind === 'conv'")
    return {
        "megabytes": path.stat().st_size / 1e6,
        "weights": int(classifier.model.count_params()),
        "pictures": count,
        "largest_difference": most,
        "largest_difference_from_float64": exact,
        "keras_float32_from_float64": rounding,
        "largest_number": largest,
        "open_ms": spread(opened),
        "hover_ms": spread(driver.execute_async_script(HOVER, 50)) if has_map else None,
    }


def _block(arrays: list[Any]) -> str:
    return base64.b64encode(b"".join(array.astype("<f4").tobytes() for array in arrays)).decode()


def _open(driver: Any, path: Path) -> float:
    """Returns the milliseconds until the first layer's numbers stand there."""
    driver.get("about:blank")
    driver.get(path.as_uri())
    return float(
        driver.execute_async_script(
            "const done = arguments[0], look = () => explorer.step ? "
            "done(performance.getEntriesByName('shown')[0].startTime) : setTimeout(look, 5); look();"
        )
    )


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=50)
    options = parser.parse_args()
    driver = browser()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = {
                name: measured(driver, options.data, name, options.rounds, options.pictures, Path(folder))
                for name in NETWORKS
            }
        version = driver.capabilities["browserVersion"]
    finally:
        driver.quit()
    goal = {"lenet_megabytes": 3, "lenet_open_ms": 1000, "hover_ms": 16.7, "largest_difference": 1e-4}
    publish({"benchmark": "explainer", "goal": goal, "chromium": version, "results": found})


if __name__ == "__main__":
    main()

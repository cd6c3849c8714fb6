"""What a page is given: the steps of a model, what is held of a large one, and nothing that could end the element."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.data.preprocessing import Preprocessing
from striate.errors import ConfigError
from striate.explain.explainer.html import save_explainer
from striate.explain.explainer.lessons import LESSONS
from striate.explain.explainer.payload import ExplainerImage, build_payload, plan_coverage
from striate.explain.explainer.step_text import STEP_DESCRIBERS, describe_step, describe_step_sizes
from striate.explain.explainer.steps import compute_step_values, extract_steps
from striate.models.architecture import build_model, build_without_weights
from striate.models.registry import ARCHITECTURES
from striate.system.backend import keras

SMALL = {"lenet": (28, 28, 1), "resnet20": (32, 32, 3), "mobilenet_v3_small": (48, 48, 3), "xception": (48, 48, 3)}


@pytest.mark.parametrize("name", [pytest.param("lenet", marks=pytest.mark.backend), "mobilenet_v3_small"])
def test_steps_are_the_layers_with_their_values(name: str):
    shape = SMALL[name]
    model = build_model(ARCHITECTURES[name], shape, 4)
    found = extract_steps(model)
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    each = compute_step_values(model, found, image)
    assert found[0].kind == "input"
    assert len({step.name for step in found}) == len(found)
    assert sum(step.parameters for step in found) == model.count_params()
    for position, (step, value) in enumerate(zip(found, each, strict=True)):
        assert all(source < position for source in step.inputs)
        assert value is None or value.shape == step.shape
    logits = keras.ops.convert_to_numpy(model(image[None].astype(np.float32)))[0]
    assert each[-1] == pytest.approx(logits, abs=1e-4)


FEW = ("mlp", "cnn", "alexnet", "googlenet", "resnet50_v2", "mobilenet_v2", "convnext-tiny", "airbench")


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES]
)
def test_every_model_of_ours_can_be_computed_in_a_page(name: str):
    row = ARCHITECTURES[name]
    model = build_without_weights(row, row.native_shape if max(row.native_shape[:2]) < 100 else (96, 96, 3), 10)
    assert "other" not in [step.kind for step in _outlined(model)]


def _outlined(model):
    """Returns the steps of a model whose weights have no values."""
    from unittest.mock import patch

    with patch("striate.explain.explainer.layer_ops._to_array", lambda variable: np.zeros(variable.shape, np.float32)):
        return extract_steps(model)


def test_every_step_is_told_in_a_sentence_with_its_arithmetic():
    found = extract_steps(build_model(ARCHITECTURES["lenet"], (28, 28, 1), 10, dropout=0.3))
    by_name = {step.name: step for step in found}
    assert describe_step(by_name["c3"], found).startswith("Slides 16 kernels of 5×5 over 6 channels")
    assert describe_step_sizes(by_name["c3"], found) == [
        "Rows of the output: 14 − 5 + 1 = 10.",
        "Weights: 16 kernels · (5 · 5 · 6 + 1) = 2,416.",
    ]
    assert describe_step_sizes(by_name["c1"], found)[0] == "Rows of the output: 28 + 4 − 5 + 1 = 28."
    assert "drops 30%" in describe_step(by_name["dropout"], found)
    for name in ("resnet20", "mobilenet_v3_small", "xception"):
        own = _outlined(build_without_weights(ARCHITECTURES[name], SMALL[name], 3))
        for step in own:
            assert describe_step(step, own).endswith(".")
            for line in describe_step_sizes(step, own):
                if line.startswith("Weights"):
                    total = sum(array.size for name, array in step.weights.items() if name in ("kernel", "bias"))
                    assert line.endswith(f" {total:,}.")


def test_every_kind_has_a_lesson_or_the_first():
    kinds = {kind for lesson in LESSONS for kind in lesson.step_kinds}
    assert set(STEP_DESCRIBERS) - kinds <= {"other"}


def test_of_a_large_model_what_fits_is_held():
    found = extract_steps(build_model(ARCHITECTURES["resnet20"], (32, 32, 3), 10))
    assert plan_coverage(found).is_complete
    part = plan_coverage(found, max_weight_bytes=200_000)
    assert not part.is_complete
    assert part.states[-1] == "computed"  # the logits' weights come first
    used = sum(
        array.nbytes
        for step, has in zip(found, part.has_weights, strict=True)
        if has
        for array in step.weights.values()
    )
    assert used <= 200_000
    names = [step.name for step in found]
    asked = plan_coverage(found, ["stage3_block3_conv2"], max_weight_bytes=200_000)
    at = names.index("stage3_block3_conv2")
    assert asked.states[at] == "computed"
    assert asked.states[found[at].inputs[0]] in ("given", "computed")
    for position, state in enumerate(asked.states):
        if state == "computed":
            assert all(asked.states[source] != "absent" for source in found[position].inputs)
    with pytest.raises(ConfigError, match="no such layer"):
        plan_coverage(found, ["nothing"])


def test_a_layer_that_the_page_does_not_know_is_shown_with_keras_numbers(tmp_path: Path):
    image = keras.Input((8, 8, 1))
    x = keras.layers.UpSampling2D(2, name="larger")(image)
    x = keras.layers.Flatten(name="flat")(x)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(x))
    found = extract_steps(model)
    assert [step.kind for step in found] == ["input", "other", "reshape", "dense"]
    classifier = Classifier(model, ("a", "b", "c"), Preprocessing(8, 8, 1))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    content, numbers, has = build_payload(classifier, [ExplainerImage("p.png", pixels)])
    assert has.states == ("computed", "given", "computed", "computed")
    offset, count = content["images"][0]["given"]["1"]
    block = b"".join(numbers.chunks)[offset : offset + 4 * count]
    assert np.frombuffer(block, "<f4").reshape(16, 16) == pytest.approx(
        np.repeat(np.repeat(pixels[..., 0], 2, 0), 2, 1)
    )


def test_names_cannot_end_the_element_they_stand_in(tmp_path: Path):
    evil = "</script><script>alert(1)</script>"
    model = build_model(ARCHITECTURES["mlp"], (8, 8, 1), 2)
    classifier = Classifier(model, (evil, "b\x1b"), Preprocessing(8, 8, 1))
    pixels = np.zeros((8, 8, 1), np.uint8)
    save_explainer(tmp_path / "page.html", classifier, [ExplainerImage(evil, pixels, evil)], run_name=evil)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert evil not in text
    assert "\x1b" not in text
    assert text.count("<script") == 3


def test_what_is_no_graph_from_one_image_is_refused():
    class Own(keras.Model):
        def call(self, pictures):
            return pictures

    with pytest.raises(ConfigError, match="no graph"):
        extract_steps(Own())
    one, two = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
    model = keras.Model([one, two], keras.layers.Flatten()(keras.layers.Add()([one, two])))
    with pytest.raises(ConfigError, match="one input"):
        extract_steps(model)


def test_a_run_has_its_page_beside_the_report(digits_run):
    text = (digits_run.path / "inside.html").read_text(encoding="utf-8")
    content = json.loads(text.split('id="network">')[1].split("</script>")[0])
    assert len(content["images"]) == 12
    assert {one["label"] for one in content["images"]} <= set(digits_run.classifier.classes)
    wrong = [one for one in content["images"] if content["classes"][int(np.argmax(one["answer"]))] != one["label"]]
    assert len(wrong) == min(6, digits_run.report.n - round(digits_run.report.accuracy * digits_run.report.n))
    assert len(content["epochs"]) == 4
    assert content["kept"] == digits_run.history.best_epoch
    assert content["whole"]
    report = (digits_run.path / "report.html").read_text(encoding="utf-8")
    assert 'href="inside.html"' in report

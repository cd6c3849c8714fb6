"""Exported files: each is read again by its own runtime, and predictions as the classifier does, or is not there."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.config import from_json
from striate.data.preprocessing import Preprocessing
from striate.errors import BackendError, ConfigError, DataError
from striate.exporters.formats import EXPORT_FORMATS
from striate.exporters.verification import (
    MAX_PROBABILITY_DIFFERENCE,
    ParityError,
    check_parity,
    compute_parity,
    export_and_verify,
)
from striate.models.architecture import build_model
from striate.models.classifier_manifest import ClassifierManifest
from striate.models.registry import ARCHITECTURES
from striate.system.backend import ACTIVE_BACKEND, keras, set_seed
from striate.workflows.export import export

pytestmark = pytest.mark.skipif(ACTIVE_BACKEND.name != "tensorflow", reason="written from TensorFlow's graph")

ODD = ("10", "2", "äpfel", "🙂", '<b>"&')


def untrained(name: str, shape: tuple[int, int, int], classes: tuple[str, ...] = ODD, **options: Any) -> Classifier:
    set_seed(0)
    return Classifier(build_model(ARCHITECTURES[name], shape, len(classes)), classes, Preprocessing(*shape), **options)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (21, 16, 20, 3), np.uint8)


def contract_in(path: Path, name: str) -> str:
    """Returns what the file says of itself, read without our own reader."""
    if name == "onnx":
        import onnx

        return {one.key: one.value for one in onnx.load(path).metadata_props}["striate"]
    if name == "triton":
        return triton_config(path).parameters["striate"].string_value
    if path.is_file():
        with zipfile.ZipFile(path) as archive:
            return archive.read("striate.json").decode()
    return next(path.rglob("striate.json")).read_text("utf-8")


def triton_config(repository: Path) -> Any:
    """Returns config.pbtxt, parsed with the schema that Triton's own client has; its package would load gRPC."""
    from google.protobuf import text_format

    place = next(iter(importlib.util.find_spec("tritonclient").submodule_search_locations))
    spec = importlib.util.spec_from_file_location("model_config_pb2", Path(place) / "grpc" / "model_config_pb2.py")
    schema = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(schema)
    return text_format.Parse((repository / "classifier" / "config.pbtxt").read_text("utf-8"), schema.ModelConfig())


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_every_format_predictions_as_the_classifier_and_says_what_it_needs(name, batch, pixels, tmp_path: Path):
    classifier = untrained("lenet", (16, 20, 3), temperature=0.3, tta="multicrop", reject_below=0.25)
    kind = EXPORT_FORMATS[name]
    path = tmp_path / f"my classifier{kind.suffix}"
    found, predictions = export_and_verify(classifier, kind, path, pixels, batch_size=batch)
    assert found.image_count == len(pixels) and found.changed_labels == 0
    assert found.max_abs_difference <= MAX_PROBABILITY_DIFFERENCE / 10
    np.testing.assert_allclose(
        predictions, classifier.predict_probabilities(pixels), atol=MAX_PROBABILITY_DIFFERENCE / 10
    )
    assert predictions.std(axis=0).max() > 1e-3  # images are told apart
    said = from_json(ClassifierManifest, contract_in(path, name), name)
    assert said.classes == ODD
    if name == "litert":  # for LiteRT's own task library
        with zipfile.ZipFile(path) as attached:
            assert attached.read("labels.txt").decode().splitlines() == list(ODD)
    assert said.preprocessing == classifier.preprocessing
    assert (said.temperature, said.tta, said.reject_below) == (0.3, "multicrop", 0.25)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_triton_is_told_names_shapes_types_and_labels(pixels, tmp_path: Path):
    import onnxruntime

    classifier = untrained("lenet", (16, 20, 3), ("a\nb", *ODD))
    for batch, most in ((None, 64), (4, 0)):
        path = tmp_path / f"{batch}"
        export_and_verify(classifier, EXPORT_FORMATS["triton"], path, pixels, batch_size=batch)
        said, model = triton_config(path), path / "classifier"
        session = onnxruntime.InferenceSession(model / "1" / "model.onnx", providers=["CPUExecutionProvider"])
        assert (said.platform, said.max_batch_size, said.HasField("dynamic_batching")) == (
            "onnxruntime_onnx",
            most,
            batch is None,
        )
        for told, found in zip(
            (*said.input, *said.output), (*session.get_inputs(), *session.get_outputs()), strict=True
        ):
            assert told.name == found.name
            assert list(told.dims) == (found.shape[1:] if batch is None else found.shape)
        assert (said.input[0].data_type, said.output[0].data_type) == (2, 11)  # TYPE_UINT8, TYPE_FP32
        assert (model / said.output[0].label_filename).read_text("utf-8").splitlines() == ["a b", *ODD]


@pytest.mark.parametrize("name", ["resnet20", pytest.param("mobilenet_v2", marks=pytest.mark.slow)])
def test_a_batch_norm_model_and_a_backbone_within_a_model_are_exported(name: str, tmp_path: Path):
    images = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), np.uint8)
    classifier = untrained(name, (32, 32, 3), tta="mirror")
    found, _ = export_and_verify(classifier, EXPORT_FORMATS["onnx"], tmp_path / "a.onnx", images)
    assert found.max_abs_difference <= MAX_PROBABILITY_DIFFERENCE / 10


@pytest.mark.parametrize("name", ["onnx", "saved_model"])
def test_a_file_that_predictions_otherwise_is_not_kept(name, pixels, tmp_path: Path, monkeypatch):
    classifier, kind = untrained("lenet", (16, 20, 3)), EXPORT_FORMATS[name]
    path = tmp_path / f"classifier{kind.suffix}"
    if not kind.is_folder:
        path.write_text("what was there before")
    right = Classifier.predict_probabilities
    monkeypatch.setattr(
        Classifier, "predict_probabilities", lambda self, *given: right(self, *given) + 2 * MAX_PROBABILITY_DIFFERENCE
    )
    with pytest.raises(ParityError, match="was not kept"):
        export_and_verify(classifier, kind, path, pixels)
    assert [one.name for one in tmp_path.iterdir()] == ([] if kind.is_folder else [path.name])
    assert kind.is_folder or path.read_text() == "what was there before"


def test_a_converter_that_fails_leaves_nothing(pixels, tmp_path: Path, monkeypatch):
    import tf2onnx.convert

    def fail(*given: Any, **named: Any) -> None:
        raise RuntimeError("no such operation")

    monkeypatch.setattr(tf2onnx.convert, "from_function", fail)
    with pytest.raises(RuntimeError, match="no such operation"):
        export_and_verify(untrained("lenet", (16, 20, 3)), EXPORT_FORMATS["onnx"], tmp_path / "a.onnx", pixels)
    assert list(tmp_path.iterdir()) == []


def test_parity_counts_what_differs():
    before = np.array([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]])
    found = compute_parity(before, np.array([[0.4, 0.6], [0.5, 0.5], [0.1, 0.9]]))
    assert (found.image_count, found.changed_labels) == (3, 1)
    assert found.max_abs_difference == pytest.approx(0.2)
    for other in (before[:2], np.where(before > 0.8, np.nan, before)):
        with pytest.raises(ParityError, match="nonsense"):
            compute_parity(before, other)
    with pytest.raises(ParityError, match="1 of 3"):
        check_parity(found, is_quantized=True)
    check_parity(compute_parity(before, before + MAX_PROBABILITY_DIFFERENCE / 2), is_quantized=False)


def test_a_format_without_int8_and_a_folder_in_the_way_are_told(pixels, tmp_path: Path):
    classifier = untrained("lenet", (16, 20, 3))
    with pytest.raises(ConfigError, match="not written in int8"):
        export_and_verify(classifier, EXPORT_FORMATS["keras"], tmp_path / "a.keras", pixels, calibration_images=pixels)
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigError, match="something already"):
        export_and_verify(classifier, EXPORT_FORMATS["saved_model"], tmp_path / "there", pixels)


@pytest.mark.parametrize(("name", "missing"), [("onnx", "tf2onnx"), ("litert", "ai_edge_litert")])
def test_a_missing_package_is_named_with_the_line_that_brings_it(name, missing, pixels, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None if module == missing else object())
    with pytest.raises(BackendError, match=rf"no {missing}.*pip install 'striate\[{EXPORT_FORMATS[name].extra}\]'"):
        export_and_verify(untrained("lenet", (16, 20, 3)), EXPORT_FORMATS[name], tmp_path / "a", pixels)


def test_another_program_finds_names_shapes_and_types_in_the_graph(digits_run, tmp_path: Path):
    import onnxruntime

    found = export(digits_run, "onnx", tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    ((given,), (prediction,)) = session.get_inputs(), session.get_outputs()
    form = digits_run.classifier.preprocessing
    assert (given.name, given.type, given.shape) == ("images", "tensor(uint8)", ["n", *form.shape])
    assert (prediction.name, prediction.type, prediction.shape) == ("probabilities", "tensor(float)", ["n", 10])
    assert found.parity.image_count == 200
    assert found.bytes == (tmp_path / "a.onnx").stat().st_size


def test_tensorflow_serving_and_keras_find_what_they_look_for(digits_run, tmp_path: Path):
    import tensorflow as tf

    export(digits_run, "saved_model", tmp_path / "saved")
    export(digits_run, "keras", tmp_path / "a.keras")
    image = np.random.default_rng(0).integers(0, 256, (3, *digits_run.classifier.preprocessing.shape), np.uint8)
    expected = digits_run.classifier.predict_probabilities(image)
    signature = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    np.testing.assert_allclose(signature(images=tf.constant(image))["probabilities"], expected, atol=1e-5)
    model = keras.models.load_model(tmp_path / "a.keras", safe_mode=True)
    np.testing.assert_allclose(model.predict(image, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_int8_is_smaller_and_its_accuracy_is_told_with_intervals(digits_run, name, tmp_path: Path):
    plain = export(digits_run, name, tmp_path / "plain")
    small = export(digits_run, name, tmp_path / "small", int8=True)
    assert small.bytes < 0.6 * plain.bytes  # the small model's graph weighs too
    cost = small.int8
    assert cost is not None and plain.int8 is None
    report = digits_run.report
    assert (cost.calibrated_on, cost.pictures) == (200, report.n)
    assert cost.before.accuracy == pytest.approx(report.accuracy)
    assert cost.before.interval == pytest.approx(report.interval)
    assert cost.after.interval.low < cost.after.accuracy < cost.after.interval.high
    assert cost.difference == pytest.approx(cost.after.accuracy - cost.before.accuracy)
    assert abs(cost.difference) < 0.03
    assert cost.interval.low <= cost.difference <= cost.interval.high
    assert small.parity.changed_labels >= abs(round(cost.difference * cost.pictures))
    assert json.loads(contract_in(tmp_path / "small", name))["architecture"].endswith("int8")


def test_images_that_are_gone_are_asked_for(digits_run, photos: Path, tmp_path: Path, monkeypatch):
    with pytest.raises(DataError, match=r"real images.*--data DATA"):
        export(digits_run.classifier, "onnx", tmp_path / "a.onnx")
    found = export(digits_run.classifier, "onnx", tmp_path / "a.onnx", data=photos)
    assert found.parity.image_count == 90

    def gone(*given: Any, **named: Any) -> None:
        raise DataError("digits is no longer there")

    monkeypatch.setattr("striate.workflows.export.own_set", gone)
    with pytest.raises(DataError, match=r"real images. digits is no longer there.*--data DATA"):
        export(digits_run, "onnx", tmp_path / "b.onnx")
    assert not (tmp_path / "b.onnx").exists()

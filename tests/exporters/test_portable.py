"""The light runtime: an exported ONNX file answers through Classifier without Keras, and only if it is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.errors import ClassifierError
from striate.models.onnx_model import OnnxModel, append_checksum
from striate.system.backend import ACTIVE_BACKEND
from striate.workflows.export import export

pytestmark = pytest.mark.skipif(ACTIVE_BACKEND.name != "tensorflow", reason="written from TensorFlow's graph")


@pytest.fixture(scope="module")
def file(digits_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "classifier.onnx"
    export(digits_run, "onnx", path)
    return path


def test_it_predictions_as_the_classifier_does_through_every_door(digits_run, file: Path, photos: Path):
    own, light = digits_run.classifier, Classifier.load(file)
    assert (light.classes, light.preprocessing) == (own.classes, own.preprocessing)
    images = sorted(photos.glob("*/*.jpg"))
    a, b = own.predict(images), light.predict(images)
    assert [one.label for one in a] == [one.label for one in b]
    np.testing.assert_allclose(own.predict_proba(images), light.predict_proba(images), atol=1e-5)
    pixels = np.stack([own.preprocessing(path) for path in images])
    np.testing.assert_array_equal(light.predict_proba(images), light.predict_probabilities(pixels))
    np.testing.assert_allclose(
        light.predict_log_probabilities(pixels), own.predict_log_probabilities(pixels), atol=1e-3
    )
    assert light.predict(images[0]).probabilities == pytest.approx(own.predict(images[0]).probabilities, abs=1e-5)
    assert light.score(images, [one.label for one in a]) == 1
    assert light.predict_probabilities(pixels[:0]).shape == (0, 10)


def test_a_graph_for_one_image_predictions_many(digits_run, file: Path, photos: Path, tmp_path: Path):
    export(digits_run, "onnx", tmp_path / "one.onnx", batch=1)
    images = sorted(photos.glob("*/*.jpg"))[:7]
    one, any_number = (Classifier.load(path) for path in (tmp_path / "one.onnx", file))
    np.testing.assert_allclose(one.predict_proba(images), any_number.predict_proba(images), atol=1e-6)
    assert one.predict_probabilities(np.empty((0, *one.preprocessing.shape), np.uint8)).shape == (0, 10)


def test_the_command_predictions_without_loading_keras(file: Path, photos: Path):
    image = next(photos.glob("*/*.jpg"))
    code = (
        "import sys; from striate.cli import main; code = main(['predict', *sys.argv[1:], '--json'])\n"
        "loaded = [name for name in ('keras', 'tensorflow', 'sklearn', 'matplotlib', 'h5py') if name in sys.modules]\n"
        "print(code, loaded, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, file, image], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "0 []"
    (prediction,) = json.loads(done.stdout)
    assert prediction["label"] == Classifier.load(file).predict(image).label


def test_a_changed_or_cut_file_is_refused(file: Path, tmp_path: Path):
    whole, rng, path = file.read_bytes(), np.random.default_rng(0), tmp_path / "a.onnx"
    places = [*rng.integers(0, len(whole), 200).tolist(), *range(len(whole) - 100, len(whole))]
    for at in places:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ClassifierError):
            Classifier.load(path)
    for length in (0, 1, 99, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ClassifierError):
            Classifier.load(path)


def test_what_is_no_graph_of_ours_is_refused_though_it_is_checksummed(file: Path, tmp_path: Path):
    import onnx

    path = tmp_path / "a.onnx"
    with pytest.raises(ClassifierError, match="no ONNX file here"):
        Classifier.load(path)
    path.mkdir()
    with pytest.raises(ClassifierError, match="no ONNX file here"):
        Classifier.load(path)
    path.rmdir()
    path.write_bytes(append_checksum(b"nonsense"))
    with pytest.raises(ClassifierError, match="ONNX Runtime refuses"):
        Classifier.load(path)
    proto = onnx.load(file)
    path.write_bytes(proto.SerializeToString())  # which another tool might have done
    Classifier.load(path)
    named = {one.key: one for one in proto.metadata_props}
    for contract, message in (
        ("", "contract is damaged"),
        ("{}", "contract is damaged"),
        (named["striate"].value.replace('"format": 5', '"format": 99'), "newer Striate"),
        (named["striate"].value.replace('"temperature": ', '"temperature": -'), "makes no sense"),
        (named["striate"].value.replace('"height": ', '"height": 1'), "does not fit"),
        (named["striate"].value.replace('"0",', '"0", "another",'), "another number of classes"),
    ):
        changed = onnx.ModelProto()
        changed.CopyFrom(proto)
        del changed.metadata_props[:]
        changed.metadata_props.add(key="striate", value=contract)
        path.write_bytes(append_checksum(changed.SerializeToString()))
        with pytest.raises(ClassifierError, match=message):
            Classifier.load(path)


@pytest.mark.parametrize("place", ["outside.bin", "{0}/outside.bin", "../outside.bin", "../../outside.bin"])
def test_weights_outside_the_file_are_not_read(file: Path, place: str, tmp_path: Path, monkeypatch):
    import onnx

    proto = onnx.load(file)
    big = max(proto.graph.initializer, key=lambda one: len(one.raw_data))
    outside = tmp_path / "outside.bin"
    outside.write_bytes(big.raw_data)
    big.ClearField("raw_data")
    big.data_location = onnx.TensorProto.EXTERNAL
    big.external_data.add(key="location", value=place.format(tmp_path))
    del proto.metadata_props[1:]
    path = tmp_path / "a.onnx"
    path.write_bytes(append_checksum(proto.SerializeToString()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClassifierError):
        OnnxModel(path)


def test_without_onnx_runtime_the_line_that_brings_it_is_told(file: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ClassifierError, match=r"pip install 'striate\[serve\]'"):
        Classifier.load(file)


def test_an_exported_classifier_is_not_saved_as_a_folder(file: Path, tmp_path: Path):
    with pytest.raises(ClassifierError, match="exported file already"):
        Classifier.load(file).save(tmp_path / "a")
    assert not (tmp_path / "a").exists()

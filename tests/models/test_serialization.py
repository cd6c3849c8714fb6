"""Models on disk: the same after loading, and nothing in a file can make code run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from striate.errors import ClassifierError
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.models.serialization import load_model, save_model
from striate.system.backend import keras

pytestmark = pytest.mark.backend
layers = keras.layers

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)


def tiny() -> Any:
    """Two layers with weights, one with statistics."""
    images = keras.Input((12, 12, 3), name="pictures")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(2, 3, activation="relu", name="conv")(images))
    return keras.Model(images, layers.Dense(2, name="logits")(layers.Flatten(name="flat")(x)), name="tiny")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    save_model(tiny(), folder / "network.json", folder / "weights.safetensors")
    return folder


@pytest.fixture
def saved(original: Path, tmp_path: Path) -> tuple[Path, Path]:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path / "network.json", tmp_path / "weights.safetensors"


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name)


@pytest.mark.parametrize("name", ["mlp", "lenet", "cnn-small", "cnn"])  # all others: see test_contract.py
def test_every_architecture_predictions_the_same_after_saving_and_loading(tmp_path: Path, name: str):
    model = build_model(ARCHITECTURES[name], (12, 12, 3), 3, dropout=0.2)
    files = tmp_path / "network.json", tmp_path / "weights.safetensors"
    save_model(model, *files)
    again = load_model(*files)
    np.testing.assert_array_equal(again.predict_on_batch(PIXELS), model.predict_on_batch(PIXELS))
    assert [one.name for one in again.layers] == [one.name for one in model.layers]
    assert not again.compiled


def test_statistics_that_are_not_trained_are_saved_too(tmp_path: Path):
    model = tiny()
    model.get_layer("norm").moving_mean.assign(np.array([3.0, -4.0], np.float32))
    save_model(model, tmp_path / "n", tmp_path / "w")
    mean = load_model(tmp_path / "n", tmp_path / "w").get_layer("norm").moving_mean
    assert keras.ops.convert_to_numpy(mean).tolist() == [3.0, -4.0]


def test_a_model_inside_a_model_and_a_sequential_one_are_loaded(tmp_path: Path):
    inner = keras.Sequential([keras.Input((12, 12, 3)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])
    model = keras.Sequential([keras.Input((12, 12, 3)), inner, layers.Dense(2)])
    save_model(model, tmp_path / "n", tmp_path / "w")
    again = load_model(tmp_path / "n", tmp_path / "w")
    np.testing.assert_array_equal(again.predict_on_batch(PIXELS), model.predict_on_batch(PIXELS))


def test_two_copies_of_one_model_with_equal_names_inside_keep_their_own_weights(tmp_path: Path):
    def branch(name: str) -> Any:
        images = keras.Input((12, 12, 3))
        return keras.Model(images, layers.Dense(2, name="dense")(layers.Flatten()(images)), name=name)

    images = keras.Input((12, 12, 3))
    model = keras.Model(images, layers.Subtract()([branch("left")(images), branch("right")(images)]))
    save_model(model, tmp_path / "n", tmp_path / "w")
    again = load_model(tmp_path / "n", tmp_path / "w")
    np.testing.assert_array_equal(again.predict_on_batch(PIXELS), model.predict_on_batch(PIXELS))


def test_a_compiled_model_is_saved_without_its_optimizer(tmp_path: Path):
    model = tiny()
    model.compile(optimizer="adam", loss="mse")
    save_model(model, tmp_path / "n", tmp_path / "w")
    assert "compile_config" not in json.loads((tmp_path / "n").read_text())
    assert not load_model(tmp_path / "n", tmp_path / "w").compiled


# Refused on saving


def test_a_lambda_is_refused_on_saving_and_an_older_model_stays(saved: tuple[Path, Path]):
    before = [path.read_bytes() for path in saved]
    model = keras.Sequential([keras.Input((3,)), layers.Lambda(abs)])
    with pytest.raises(ClassifierError, match=r"not a plain Keras layer. Received: .*Lambda"):
        save_model(model, *saved)
    assert [path.read_bytes() for path in saved] == before


def test_a_layer_of_ones_own_is_refused_on_saving(tmp_path: Path):
    class Mine(layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    model = keras.Sequential([keras.Input((3,)), Mine(), layers.Dense(2)])
    with pytest.raises(ClassifierError, match="not a plain Keras layer"):
        save_model(model, tmp_path / "n", tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


# Refused on loading: a canary file that any code in the model would make


CANARY_MODULE = """
from pathlib import Path
Path(__file__).with_name("sung").touch()
class Dense:
    def __init__(self, *args, **kwargs): Path(__file__).with_name("sung").touch()
    @classmethod
    def from_config(cls, config): return cls()
def sing(*args): Path(__file__).with_name("sung").touch()
"""


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that could be imported, and the file that it makes when it is."""
    (tmp_path / "canary_module.py").write_text(CANARY_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "sung"


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def foreign(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda config: layer(config, "logits").update(changes)


ATTACKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another module": foreign(module="canary_module"),
    "another module and class": foreign(module="os", class_name="system"),
    "no module": lambda config: layer(config, "logits").pop("module"),
    "a module of null": foreign(module=None),
    "a module as a list": foreign(module=["keras.layers"]),
    "a private module of Keras": foreign(module="keras.src.layers.core.dense"),
    "a saving function": foreign(module="keras.saving", class_name="load_model"),
    "a lambda": foreign(class_name="Lambda", config={"name": "logits", "function": "x"}),
    "a wrapped lambda": foreign(
        class_name="TimeDistributed",
        config={
            "name": "logits",
            "layer": {
                "module": "keras.layers",
                "class_name": "Lambda",
                "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wAA", "defaults": None}}},
                "registered_name": None,
            },
        },
    ),
    "a TensorFlow model from a file": foreign(class_name="TFSMLayer", config={"filepath": "canary_module"}),
    "a pickled torch module": foreign(class_name="TorchModuleWrapper", config={"module": "gASV"}),
    "a JAX function": foreign(class_name="JaxLayer"),
    "a file of words": foreign(class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
    "a dotted class": foreign(class_name="core.Lambda"),
    "a private class": foreign(class_name="__lambda__"),
    "a class that is no text": foreign(class_name=["Lambda"]),
    "a registered name": foreign(registered_name="canary>Dense"),
    "a function as activation": lambda config: layer(config, "logits")["config"].update(
        activation=function("canary_module", "sing")
    ),
    "a builtin as activation": lambda config: layer(config, "logits")["config"].update(
        activation=function("builtins", "eval")
    ),
    "a foreign initializer": lambda config: layer(config, "logits")["config"].update(
        kernel_initializer={"module": "canary_module", "class_name": "Dense", "config": {}, "registered_name": None}
    ),
    "a foreign object among the arguments": lambda config: layer(config, "logits")["inbound_nodes"][0]["args"].append(
        {"module": "canary_module", "class_name": "Dense", "config": {}, "registered_name": None}
    ),
    "a foreign object in the compilation": lambda config: config.update(
        compile_config={"optimizer": function("canary_module", "sing")}
    ),
    "a foreign model class": lambda config: config.update(module="canary_module"),
    "an unknown model class": lambda config: config.update(module="keras", class_name="Model"),
    "a layer instead of a model": lambda config: (config.clear(), config.update(
        module="keras.layers", class_name="Dense", config={"units": 2}, registered_name=None
    )),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_description_that_names_more_than_plain_layers_is_refused_and_runs_nothing(
    saved: tuple[Path, Path], canary: Path, attack: str
):
    edit(saved[0], ATTACKS[attack])
    with pytest.raises(ClassifierError, match=r"not a plain Keras layer|does not describe a model"):
        load_model(*saved)
    assert not canary.exists()
    assert "canary_module" not in sys.modules


def test_the_canary_would_have_sung(canary: Path):
    """Without this, the test above could pass because its canary is dumb."""
    __import__("canary_module")
    del sys.modules["canary_module"]
    assert canary.exists()


def test_a_class_registered_under_a_plain_name_does_not_replace_keras_own(saved: tuple[Path, Path]):
    built: list[str] = []

    class Dense(layers.Layer):
        def __init__(self, **options: Any) -> None:
            built.append("mine")
            super().__init__()

    with keras.saving.custom_object_scope({"canary>Dense": Dense}):
        edit(saved[0], foreign(registered_name="canary>Dense"))
        with pytest.raises(ClassifierError, match=r"canary>Dense"):
            load_model(*saved)
    assert built == []


# Damaged


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", "[]", "{}", "3", '"Dense"', "null", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900]
)
def test_a_description_that_is_no_model_is_refused(saved: tuple[Path, Path], text: str):
    saved[0].write_text(text)
    with pytest.raises(ClassifierError):
        load_model(*saved)


def test_a_description_that_is_not_text_or_not_there_is_refused(saved: tuple[Path, Path]):
    saved[0].write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClassifierError, match="cannot be read"):
        load_model(*saved)
    saved[0].unlink()
    with pytest.raises(ClassifierError, match="cannot be read"):
        load_model(*saved)


@pytest.mark.parametrize("change", [{"units": -1}, {"units": "many"}, {"unknown": 1}, {"activation": "nonsense"}])
def test_layers_with_senseless_arguments_are_refused(saved: tuple[Path, Path], change: dict[str, Any]):
    edit(saved[0], lambda config: layer(config, "logits")["config"].update(change))
    with pytest.raises(ClassifierError, match="cannot rebuild the model"):
        load_model(*saved)


def test_truncated_or_missing_weights_are_refused(saved: tuple[Path, Path]):
    data = saved[1].read_bytes()
    for keep in (0, 4, len(data) // 2, len(data) - 1):
        saved[1].write_bytes(data[:keep])
        with pytest.raises(ClassifierError, match="The weights cannot be read"):
            load_model(*saved)
    saved[1].unlink()
    with pytest.raises(ClassifierError, match="The weights cannot be read"):
        load_model(*saved)


KERNEL = "0006/logits/kernel"


def changed_weights(path: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    tensors = safetensors.numpy.load_file(path)
    change(tensors)
    safetensors.numpy.save_file(tensors, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.update({KERNEL: np.zeros((3, 2), np.float32)}),
        lambda tensors: tensors.update({KERNEL: tensors[KERNEL].T.copy()}),
        lambda tensors: tensors.pop(KERNEL),
        lambda tensors: tensors.update(more=np.zeros(1, np.float32)),
        lambda tensors: tensors.clear(),
    ],
    ids=["shape", "turned", "missing", "more", "none"],
)
def test_weights_of_another_model_are_refused(saved: tuple[Path, Path], change):
    changed_weights(saved[1], change)
    with pytest.raises(ClassifierError, match=r"do not belong to the model|more weights than its file holds"):
        load_model(*saved)

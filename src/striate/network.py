"""A keras.Model ⇄ a description in JSON and plain tensors: nothing that could run code when it is loaded.

Keras' own `.keras` files are not a security boundary (safe_mode has had over a dozen advisories), so loading here
accepts layers of Keras itself by an allow-list and refuses everything else by name.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import safetensors.numpy
from safetensors import SafetensorError

from striate.backend import keras
from striate.errors import ClassifierError
from striate.files import write_text, writing

MODULES = (
    "keras.layers",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras",
    "keras.dtype_policies",
)
"""Modules whose classes may appear in a network's description."""

MODELS = ("Functional", "Sequential")
"""Model classes that may appear."""

ARITHMETIC = ("keras.src.ops.numpy.Add", "keras.src.ops.numpy.Multiply")
"""Operations on tensors that may appear: those in MobileNetV3's activation."""

REFUSED = (
    *("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "Layer", "Model"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
)
"""Keras classes that run, or wrap, foreign code, and those that open files (their vocabularies) on their own."""


def save_network(model: Any, description: Path, weights: Path) -> None:
    """Writes a network as JSON and safetensors.

    Raises:
        ClassifierError: it contains a layer that could not be loaded again safely.
    """
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    config.pop("compile_config", None)
    _check(config, "this network")
    tensors = {name: keras.ops.convert_to_numpy(variable.value) for name, variable in _weights(model).items()}
    write_text(description, json.dumps(config, indent=1) + "\n")  # all is checked: an older network is lost only now
    with writing(weights) as temporary:
        safetensors.numpy.save_file(tensors, temporary)
        shutil.copymode(description, temporary)  # the library makes files that only their owner can read


def load_network(description: Path, weights: Path) -> Any:
    """Returns the keras.Model that `save_network` wrote, not compiled.

    Raises:
        ClassifierError: damaged, or it holds something that is not a plain Keras layer.
    """
    try:
        config = json.loads(description.read_text(encoding="utf-8"))
        _check(config, str(description))
    except (OSError, ValueError, RecursionError) as error:
        raise ClassifierError(f"The network's description cannot be read: {error}", received=description) from None
    if not isinstance(config, dict) or config.get("class_name") not in MODELS:
        raise ClassifierError("This does not describe a network", received=description)
    config.pop("compile_config", None)
    try:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers raise on arguments that make no sense
        raise ClassifierError(
            f"Keras {keras.__version__} cannot rebuild the network: {error}", received=description
        ) from error
    try:
        tensors = safetensors.numpy.load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ClassifierError(f"The weights cannot be read: {error}", received=weights) from None
    variables = _weights(model)
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if expected != found:
        differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        raise ClassifierError(
            "The weights do not belong to the network",
            received=f"{differing[0]}: {found.get(differing[0], 'absent')}",
            expected=f"{expected.get(differing[0], 'absent')}",
        )
    for name, variable in variables.items():
        variable.assign(tensors[name])
    return model


def _weights(model: Any) -> dict[str, Any]:
    """Returns name → variable, such as `0002/conv/kernel`.

    Variables have paths of their own, but in a network inside a network these depend on what was built first, and
    differ after loading. Their order and the ends of their paths do not.
    """
    return {
        "/".join([f"{number:04}", *variable.path.split("/")[-2:]]): variable
        for number, variable in enumerate(model.weights)
    }


def _check(node: Any, origin: str) -> None:
    """Raises ClassifierError unless every object described below `node` is on the allow-list."""
    if isinstance(node, list):
        for item in node:
            _check(item, origin)
    if not isinstance(node, dict):
        return
    if "class_name" in node and node["class_name"] != "__keras_tensor__":
        module, name = str(node.get("module")), str(node["class_name"])
        is_model = name in MODELS and (module in MODULES or module.startswith("keras.src.models."))
        is_plain = module in MODULES and name.isidentifier() and not name.startswith("_") and name not in REFUSED
        is_sum = f"{module}.{name}" in ARITHMETIC
        if not (is_model or is_plain or is_sum) or node.get("registered_name") not in (None, name):
            raise ClassifierError(
                f"{origin} contains an object that is not a plain Keras layer",
                received=f"{module}.{name}" if node.get("registered_name") in (None, name) else node["registered_name"],
                expected="layers of Keras itself, without Lambda or foreign code",
            )
    for item in node.values():
        _check(item, origin)

"""A keras.Model ⇄ a description in JSON and plain tensors: nothing that could run code when it is loaded.

Keras' own `.keras` files are not a security boundary (safe_mode has had over a dozen advisories), so loading here
accepts layers of Keras itself by an allow-list and refuses everything else by name.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.numpy
from safetensors import SafetensorError

from striate.errors import ClassifierError
from striate.system.atomic_files import write_atomically, write_text
from striate.system.backend import keras

ALLOWED_MODULES = (
    "keras.layers",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras",
    "keras.dtype_policies",
)
"""Modules whose classes may appear in a model's description."""

ALLOWED_MODEL_CLASSES = ("Functional", "Sequential")
"""Model classes that may appear."""

ALLOWED_OPERATIONS = ("keras.src.ops.numpy.Add", "keras.src.ops.numpy.Multiply")
"""Operations on tensors that may appear: those in MobileNetV3's activation."""

FORBIDDEN_CLASSES = (
    *("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "Layer", "Model"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
)
"""Keras classes that run, or wrap, foreign code, and those that open files (their vocabularies) on their own."""


MAX_TENSORS = 20_000
"""Arrays of weights; the largest of Keras' models has under 3,000."""

MAX_OUTPUT_ELEMENTS = 1 << 29
"""Numbers in a layer's output for one image: 2 GB."""

BUILD_LOCK = threading.RLock()
"""Held while layers are built under a limit, which is one for the whole process."""


def save_model(model: Any, config_path: Path, weights_path: Path) -> None:
    """Writes a model as JSON and safetensors.

    Raises:
        ClassifierError: it contains a layer that could not be loaded again safely.
    """
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    config.pop("compile_config", None)
    _check_allowed_classes(config, "this model")
    tensors = {name: keras.ops.convert_to_numpy(variable.value) for name, variable in _name_variables(model).items()}
    write_text(config_path, json.dumps(config, indent=1) + "\n")  # all is checked: an older model is lost only now
    with write_atomically(weights_path) as temporary:
        # its own save_file makes files that only their owner can read, and hides what the disk said
        temporary.write_bytes(safetensors.numpy.save(tensors))


def load_model(config_path: Path, weights_path: Path) -> Any:
    """Returns the keras.Model that `save_model` wrote, not compiled.

    Raises:
        ClassifierError: damaged, or it holds something that is not a plain Keras layer.
    """
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
        _check_allowed_classes(config, str(config_path))
    except (OSError, ValueError, RecursionError) as error:
        raise ClassifierError(f"The model's description cannot be read: {error}", received=config_path) from None
    if not isinstance(config, dict) or config.get("class_name") not in ALLOWED_MODEL_CLASSES:
        raise ClassifierError("This does not describe a model", received=config_path)
    config.pop("compile_config", None)
    held = _count_elements(weights_path)
    try:
        with _limit_weight_elements(held):
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except ClassifierError:
        raise
    except Exception as error:  # Keras raises whatever its layers raise on arguments that make no sense
        raise ClassifierError(
            f"Keras {keras.__version__} cannot rebuild the model: {error}", received=config_path
        ) from error
    _check_output_sizes(model, config_path)
    try:
        tensors = safetensors.numpy.load_file(weights_path)
    except (OSError, SafetensorError) as error:
        raise ClassifierError(f"The weights cannot be read: {error}", received=weights_path) from None
    variables = _name_variables(model)
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if expected != found:
        differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        raise ClassifierError(
            "The weights do not belong to the model",
            received=f"{differing[0]}: {found.get(differing[0], 'absent')}",
            expected=f"{expected.get(differing[0], 'absent')}",
        )
    for name, variable in variables.items():
        variable.assign(tensors[name])
    return model


def _count_elements(weights_path: Path) -> int:
    """Returns how many numbers the file holds, by its table of contents, which the library has held against its size.

    Raises:
        ClassifierError: it is damaged, or holds more tensors than any model.
    """
    try:
        with safetensors.safe_open(weights_path, "numpy") as file:
            names = list(file.keys())
            if len(names) > MAX_TENSORS:
                raise ClassifierError("The weights hold more tensors than any model", received=f"{len(names):,}")
            return sum(math.prod(file.get_slice(name).get_shape()) for name in names)
    except (OSError, SafetensorError) as error:
        raise ClassifierError(f"The weights cannot be read: {error}", received=weights_path) from None


@contextlib.contextmanager
def _limit_weight_elements(max_elements: int) -> Iterator[None]:
    """Within the block, layers are given no more weights than that: a description costs a stranger nothing, and what it
    asks for would be memory of ours.

    Raises:
        ClassifierError: more is asked for; nothing has been allocated for it.
    """
    left, make = max_elements, keras.layers.Layer.add_weight

    def add_weight(layer: Any, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal left
        left -= math.prod(int(side) for side in ([shape] if isinstance(shape, int) else shape or ()))
        if left < 0:
            raise ClassifierError(
                "The model's description asks for more weights than its file holds",
                received=f"{layer.name}: {shape}",
                expected=f"{max_elements:,} numbers in all layers together",
            )
        return make(layer, shape, *args, **options)

    with BUILD_LOCK:
        keras.layers.Layer.add_weight = add_weight
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = make


def _check_output_sizes(model: Any, config_path: Path) -> None:
    """Raises ClassifierError when what a layer makes of one image would not fit any memory."""
    for layer in model.layers:
        for tensor in keras.tree.flatten(layer.output):
            size = math.prod(side or 1 for side in tensor.shape[1:])
            if size > MAX_OUTPUT_ELEMENTS:
                raise ClassifierError(
                    "A layer makes more of one image than any memory holds",
                    received=f"{layer.name} in {config_path}: {tuple(tensor.shape)}",
                    expected=f"at most {MAX_OUTPUT_ELEMENTS:,} numbers",
                )


def _name_variables(model: Any) -> dict[str, Any]:
    """Returns name → variable, such as `0002/conv/kernel`.

    Variables have paths of their own, but in a model inside a model these depend on what was built first, and
    differ after loading. Their order and the ends of their paths do not.
    """
    return {
        "/".join([f"{number:04}", *variable.path.split("/")[-2:]]): variable
        for number, variable in enumerate(model.weights)
    }


def _check_allowed_classes(node: Any, origin: str) -> None:
    """Raises ClassifierError unless every object described below `node` is on the allow-list."""
    if isinstance(node, list):
        for item in node:
            _check_allowed_classes(item, origin)
    if not isinstance(node, dict):
        return
    if "class_name" in node and node["class_name"] != "__keras_tensor__":
        module, name = str(node.get("module")), str(node["class_name"])
        is_model = name in ALLOWED_MODEL_CLASSES and (
            module in ALLOWED_MODULES or module.startswith("keras.src.models.")
        )
        is_plain = (
            module in ALLOWED_MODULES
            and name.isidentifier()
            and not name.startswith("_")
            and name not in FORBIDDEN_CLASSES
        )
        is_sum = f"{module}.{name}" in ALLOWED_OPERATIONS
        if not (is_model or is_plain or is_sum) or node.get("registered_name") not in (None, name):
            raise ClassifierError(
                f"{origin} contains an object that is not a plain Keras layer",
                received=f"{module}.{name}" if node.get("registered_name") in (None, name) else node["registered_name"],
                expected="layers of Keras itself, without Lambda or foreign code",
            )
    for item in node.values():
        _check_allowed_classes(item, origin)

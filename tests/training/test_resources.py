"""What cannot be trained here is told before anything is allocated, and what runs out of memory says what to lower."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from striate.config import replace_config
from striate.errors import ConfigError, TrainingError
from striate.models.architecture import Architecture, build_without_weights
from striate.models.registry import ARCHITECTURES
from striate.system import hardware
from striate.system.backend import list_devices
from striate.training.loop import explained
from striate.training.recipe import Recipe
from striate.training.resources import footprint, refuse_unfit


def _recipe(name="mlp", side=8, **settings):
    return Recipe(architecture=name, height=side, width=side, channels=3, batch=32, **settings)


def _footprint(name, side, **settings):
    return footprint(build_without_weights(ARCHITECTURES[name], (side, side, 3), 10), _recipe(name, side, **settings))


def test_every_image_of_a_batch_takes_its_maps():
    model = build_without_weights(ARCHITECTURES["lenet"], (32, 32, 3), 10)
    one, several = (footprint(model, replace_config(_recipe("lenet", 32), batch=batch)) for batch in (1, 9))
    maps = sum(math.prod(layer.output.shape[1:]) for layer in model.layers if "Conv2D" in type(layer).__name__)
    assert maps > 0
    assert several - one >= 8 * 2 * maps


MEASURE = """
import numpy as np
from pathlib import Path
from striate.system.backend import keras
from striate.models.architecture import build_model, build_without_weights
from striate.models.registry import ARCHITECTURES
from striate.training.resources import footprint
from striate.training.recipe import Recipe
recipe = Recipe(batch=128)
pixels, targets = np.zeros((128, 96, 96, 3), np.uint8), np.eye(3, dtype=np.float32)[[0] * 128]
def status(field):
    return 1024 * int(Path("/proc/self/status").read_text().split(field + ":")[1].split()[0])
keras.ops.convert_to_numpy(keras.ops.conv(np.ones((2, 9, 9, 3), "float32"), np.ones((3, 3, 3, 2), "float32")))
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = status("VmRSS")
model = build_model(ARCHITECTURES["cnn-small"], (96, 96, 3), 3)
model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
model.train_on_batch(pixels, targets)
print(footprint(model, recipe), status("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_bound_lies_below_what_a_training_needs():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, timeout=300, check=True)
    bound, measured = map(int, done.stdout.split()[-2:])
    assert 30e6 < bound < measured < 40 * bound


def test_the_bound_grows_with_what_it_is_made_of():
    small = _footprint("cnn", 32, precision="float32")
    assert _footprint("cnn", 64) > small
    assert _footprint("cnn", 32, precision="mixed_bfloat16") < small
    assert _footprint("cnn", 32, optimizer="sgd") < small
    resting = _footprint("resnet50", 32, pretrained="imagenet")
    assert resting == 4 * build_without_weights(ARCHITECTURES["resnet50"], (32, 32, 3), 10).count_params()
    assert _footprint("resnet50", 32, pretrained="imagenet", fine_tune=1) > 4 * resting


@pytest.mark.skipif(list_devices() != ["cpu"], reason="an accelerator has a memory of its own")
def test_an_absurd_size_is_refused_at_once_with_what_to_lower():
    with pytest.raises(TrainingError) as caught:
        refuse_unfit(ARCHITECTURES["vgg16"], 10, _recipe("vgg16", 8000))
    message = str(caught.value)
    assert "memory does not suffice" in message
    assert "vgg16, 8000×8000 pixels, batches of 32: at least" in message
    assert "--batch 16, --size 4000, or a smaller model" in message


def test_what_fits_passes(monkeypatch):
    needed = _footprint("cnn", 32)
    monkeypatch.setattr("striate.training.resources.list_devices", lambda: ["cpu"])
    monkeypatch.setattr("striate.training.resources.measure_memory", lambda: needed)
    refuse_unfit(ARCHITECTURES["cnn"], 10, _recipe("cnn", 32))
    monkeypatch.setattr("striate.training.resources.measure_memory", lambda: needed - 1)
    with pytest.raises(TrainingError, match="does not suffice"):
        refuse_unfit(ARCHITECTURES["cnn"], 10, _recipe("cnn", 32))
    monkeypatch.setattr("striate.training.resources.list_devices", lambda: ["gpu:0"])
    refuse_unfit(ARCHITECTURES["cnn"], 10, _recipe("cnn", 32))
    monkeypatch.setattr("striate.training.resources.list_devices", lambda: ["cpu"])
    monkeypatch.setattr("striate.training.resources.measure_memory", lambda: 0)  # a system that does not say
    refuse_unfit(ARCHITECTURES["cnn"], 10, _recipe("cnn", 32))


@pytest.mark.parametrize(
    ("name", "side", "settings"),
    [
        ("vgg16", 8, {}),
        ("mobilenet_v3_small", 8, {"pretrained": "imagenet"}),
        ("convnext-tiny", 96, {"pretrained": "x"}),
    ],
)
def test_images_too_small_for_the_model_are_told_as_well(name, side, settings):
    with pytest.raises(ConfigError, match=r"too small.*Expected: at least \d+ on each side"):
        refuse_unfit(ARCHITECTURES[name], 10, _recipe(name, side, **settings))


def test_a_model_of_ones_own_is_not_drawn_in_outline():
    own = Architecture("own", lambda *args: pytest.fail("it is built"), "Own", "I", 2026, "", "")
    refuse_unfit(own, 10, _recipe("own"))


# When a backend cries for memory


class ResourceExhaustedError(Exception):
    """TensorFlow's."""


class XlaRuntimeError(RuntimeError):
    """JAX's."""


class OutOfMemoryError(RuntimeError):
    """PyTorch's."""


@pytest.mark.parametrize(
    "error",
    [
        ResourceExhaustedError("Graph execution error: OOM when allocating tensor with shape[32,64,8000,8000]"),
        ResourceExhaustedError("{{function_node __wrapped__Mul}} failed to allocate memory [Op:Mul]"),
        XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 68719476736 bytes."),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError("Unable to allocate 7.45 GiB for an array with shape (1000, 1000, 1000)"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_the_backends_errors_become_one_that_says_what_to_lower(error):
    message = r"mlp, 64×64 pixels, batches of 32\. Try: --batch 16, --size 32"
    with pytest.raises(TrainingError, match=message) as caught, explained(_recipe(side=64)):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ValueError("shapes do not match"), KeyboardInterrupt(), RuntimeError("no such op")])
def test_other_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as caught, explained(_recipe()):
        raise error
    assert caught.value is error


# How much there is


@pytest.mark.skipif(sys.platform != "linux", reason="containers")
@pytest.mark.parametrize(("limit", "expected"), [("123456789\n", 123456789), ("max\n", None), (None, None), ("", None)])
def test_a_containers_limit_is_honoured(tmp_path, monkeypatch, limit, expected):
    path = tmp_path / "memory.max"
    if limit is not None:
        path.write_text(limit)
    monkeypatch.setattr(hardware, "CGROUP_MEMORY_FILE", path)
    whole = hardware.measure_memory()
    assert whole == expected if expected else whole > 2**28


def test_a_system_that_does_not_say_has_none(monkeypatch):
    monkeypatch.delattr(hardware.os, "sysconf")
    assert hardware.measure_memory() == 0

"""What `striate train digits` spends beside its steps, phase by phase, in this version and in an earlier one.

    python benchmarks/fixed_costs.py [--rounds N] [--before FOLDER --commit NAME]

FOLDER holds the package `striate` of the earlier version (the `src` of a clone), NAME is its commit. Each training is a
process of its own, the two versions in turns. Figures are milliseconds of all processors together. The choice of the
arithmetic is timed in a process of its own, once, since an earlier version took a minute and more for it where the
processor has no instructions for bfloat16. Without `--before`, the earlier version's figures stay those of the result
that is there, if they were measured on such a processor.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROUNDS = 5
RESULT = Path(__file__).parent / "results" / "fixed_costs.json"

PHASES = {
    "reading and planning": ("striate.workflows.train:prepare",),
    "building the model": ("striate.training.fit:networks",),
    "checkpoints": ("striate.training.checkpointing:Keeper.save",),
    "TensorBoard's files": (
        "striate.workflows.observers:Watching.begin",
        "striate.workflows.observers:Watching.__call__",
        "striate.workflows.observers:Watching.measured",
    ),
    "predictions after training": ("striate.classifier:Classifier.predict_log_probabilities",),
    "diagnosis": ("striate.workflows.training_job:diagnosed",),
    "heat maps of the explainer": ("striate.explain.attribution:Attributor.__call__",),
}
"""Name of a phase → the functions whose time it is, all calls together."""


class Meter:
    """Notes the processors' seconds within functions."""

    def __init__(self) -> None:
        self.calls: dict[str, list[float]] = defaultdict(list)
        self.ends: list[float] = []

    def watch(self, place: str, name: str, *, notes_end: bool = False) -> None:
        """Times every call of `module:function`; a version without it is left alone."""
        module, _, path = place.partition(":")
        *owners, last = path.split(".")
        try:
            owner = functools.reduce(getattr, owners, import_module(module))
            function: Callable[..., Any] = getattr(owner, last)
        except (ImportError, AttributeError):
            return

        setattr(owner, last, self.timed(function, name, notes_end=notes_end))

    def timed(self, function: Callable[..., Any], name: str, *, notes_end: bool = False) -> Callable[..., Any]:
        """Returns the function, each of its calls timed under that name."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                now = time.process_time()
                self.calls[name].append(now - began)
                if notes_end:
                    self.ends.append(now)

        return call


def train() -> dict[str, float]:
    """Returns the milliseconds of each phase of one training in this process."""
    began = time.process_time()
    backend = import_module("striate.system.backend")
    backend.keras.Model  # noqa: B018  (which imports Keras where that waits for its first use)
    imported = time.process_time() - began
    from striate.workflows.train import train as train_run

    meter = Meter()
    for module in ("carry_out", "inside"):
        import_module(f"striate.workflows.{module}")
    for phase, places in PHASES.items():
        for place in places:
            meter.watch(place, phase)
    meter.watch("striate.training.loop:Loop._keep", "epoch", notes_end=True)
    meter.watch("striate.training.epoch_loop:EpochRunner.evaluate", "validation")
    if find_spec("striate.training.epoch_loop") is None:  # an earlier version, in which Keras validates
        backend.keras.Model.evaluate = meter.timed(backend.keras.Model.evaluate, "validation")
    learn = import_module("striate.training.loop").Loop
    starts: list[float] = []
    original = learn.learn

    def learns(*args: Any, **kwargs: Any) -> Any:
        starts.append(time.process_time())
        return original(*args, **kwargs)

    learn.learn = learns
    whole = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train_run("digits", runs=folder, precision="float32")
    whole = time.process_time() - whole
    epoch = statistics.median(later - earlier for earlier, later in zip(meter.ends, meter.ends[1:], strict=False))
    validations = meter.calls["validation"]
    each = statistics.median(validations[1:])
    found = {
        "importing Keras and TensorFlow": imported,
        **{phase: sum(meter.calls[phase]) for phase in PHASES},
        "tracing, and all else before the second epoch": meter.ends[0] - starts[0] - epoch,
        "an epoch, validation included": epoch,
        "setting validation up": validations[0] - each,
        "an epoch's validation": each,
        "the whole training, importing left out": whole,
    }
    return {name: 1000 * seconds for name, seconds in found.items()}


def probe() -> dict[str, float]:
    """Returns the milliseconds in which the arithmetic of the digits' training is chosen, on a machine that knows
    nothing yet.
    """
    from striate.config import replace_config
    from striate.data.loaders.load import load_images
    from striate.progress import NO_PROGRESS
    from striate.training import build
    from striate.training.auto_config import plan, preprocessing_of
    from striate.training.presets import DEFAULT

    images = load_images("digits")
    recipe = plan(DEFAULT, images)
    row = import_module("striate.models.registry").get_architecture(recipe.architecture)
    extra = {"image_count": len(images)} if "image_count" in build.build_models.__annotations__ else {}
    seconds = []
    for one in (replace_config(recipe, precision="float32"), recipe):
        began = time.process_time()
        build.build_models(row, preprocessing_of(recipe).shape, 10, one, NO_PROGRESS, **extra)
        seconds.append(time.process_time() - began)
    return {"choosing the arithmetic": 1000 * max(0.0, seconds[1] - min(seconds))}


def child(mode: str, source: Path | None) -> dict[str, float]:
    """Returns what a process of its own measures."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "XDG_CACHE_HOME": cache}
        if source is not None:
            environment["PYTHONPATH"] = str(source.resolve())
        command = [sys.executable, __file__, "--child", mode]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{mode} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({mode: {name: round(value) for name, value in found.items()}}), file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--commit")
    parser.add_argument("--child", choices=["train", "probe"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps({"train": train, "probe": probe}[options.child]()))
        return
    from evidence import publish, spread

    from striate.system.hardware import describe_machine

    sides: dict[str, Path | None] = {"after": None}
    if options.before is not None:
        sides = {"before": options.before, **sides}
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(options.rounds):
        for side, source in sides.items():
            found = {**child("train", source), **(child("probe", source) if number == 0 else {})}
            for name, value in found.items():
                values[name][side].append(value)
    figures = {name: {side: spread(ones, 1) for side, ones in both.items()} for name, both in values.items()}
    commit = options.commit
    if options.before is None and RESULT.is_file():
        earlier = json.loads(RESULT.read_text(encoding="utf-8"))
        if earlier["machine"]["processor"] == describe_machine()["processor"]:
            commit = earlier["before"]
            for name, both in figures.items():
                figures[name] = {**earlier["milliseconds"].get(name, {}), **both}
    publish({"benchmark": "fixed_costs", "before": commit, "milliseconds": figures})


if __name__ == "__main__":
    main()

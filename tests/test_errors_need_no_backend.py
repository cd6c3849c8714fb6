"""What a user mistyped is explained before Keras, a backend or matplotlib is imported: a fraction of a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEAVY = ("keras", "tensorflow", "jax", "torch", "matplotlib")
"""What an error is not to wait for."""

ERRORS: dict[str, tuple[str, ...]] = {
    "no command of that name": ("trian", "photos"),
    "no data": ("train",),
    "no such data set": ("train", "digitz"),
    "no such folder": ("train", "nowhere"),
    "an empty folder": ("train", "empty"),
    "one class": ("train", "one-class"),
    "no image can be read": ("train", "unreadable"),
    "too few images to split": ("train", "too-few"),
    "images shared by given splits": ("train", "leak"),
    "a table without a label column": ("train", "no-label.csv"),
    "a table whose images are missing": ("train", "missing-images.csv"),
    "an archive that is none": ("train", "broken.zip"),
    "a recipe of no known name": ("train", "photos", "--recipe", "typo"),
    "a recipe file that is not JSON": ("train", "photos", "--recipe", "broken.json"),
    "a recipe file with an unknown key": ("train", "photos", "--recipe", "unknown-key.json"),
    "an architecture of no known name": ("train", "photos", "--arch", "resnet19"),
    "an unknown option": ("train", "photos", "--epoch-count", "3"),
    "no size": ("train", "photos", "--size", "large"),
    "images too small for the architecture": ("train", "photos", "--arch", "vgg16", "--size", "8"),
    "a dropout above 1": ("train", "photos", "--dropout", "3"),
    "a negative batch": ("train", "photos", "--batch", "-1"),
    "both epochs and minutes": ("train", "photos", "--epochs", "3", "--minutes", "2"),
    "an augmentation of no known name": ("train", "photos", "--augment", "typo"),
    "a validation fraction above 1": ("train", "photos", "--validation", "2"),
    "a backend of no known name": ("train", "photos", "--backend", "theano"),
    "a list of corrections that is missing": ("train", "photos", "--corrections", "missing.csv"),
    "weights that are missing": ("train", "photos", "--pretrained", "missing.h5"),
    "a target risk above 1": ("train", "photos", "--target-risk", "2"),
    "a run of that name exists": ("train", "photos", "--name", "taken"),
    "a fraction of unreadable images above 1": ("train", "photos", "--max-broken", "2"),
    "a validation fraction that is no number": ("train", "photos", "--validation", "half"),
    "a report of a missing run": ("report", "missing"),
    "artifacts of an unknown name": ("train", "photos", "--artifacts", "typo"),
    "a signature without a key": ("sign", "missing", "--key", "missing.pem"),
    "a recipe of an unknown optimizer": ("train", "photos", "--recipe", "unknown-optimizer.json"),
    "a table of corrections with another header": ("train", "photos", "--corrections", "no-label.csv"),
    "images to predict that are missing": ("predict", "taken", "nowhere/*.png"),
    "runs for TensorBoard that are missing": ("tensorboard", "missing"),
    "workers without a cluster": ("train", "photos", "--workers", "2"),
    "data beside --resume": ("train", "photos", "--resume", "taken"),
    "a run to resume that is missing": ("train", "--resume", "missing"),
    "a data set that is not there, offline": ("train", "mnist", "--data-dir", "empty"),
    "a ladder with an unknown architecture": ("ladder", "photos", "--architectures", "mlp,typo"),
    "one seed to repeat": ("repeat", "photos", "--seeds", "1"),
    "a learning curve of no data": ("learning-curve", "nowhere"),
    "no trial": ("tune", "photos", "--trials", "0"),
    "data to check that is missing": ("data", "nowhere"),
    "a prediction without a run": ("predict", "missing", "photos/a/0.png"),
    "an evaluation without a run": ("evaluate", "missing"),
    "a comparison with a missing run": ("compare", "missing", "taken"),
    "an explanation without a run": ("explain", "missing", "photos/a/0.png"),
    "units without a run": ("units", "missing"),
    "a replay without a run": ("replay", "missing"),
    "a map without a run": ("map", "missing"),
    "an export without a run": ("export", "missing", "--format", "onnx"),
    "an export to an unknown format": ("export", "missing", "--format", "onyx"),
    "a server without a classifier": ("serve", "missing"),
    "a diagnosis without a run": ("doctor", "missing"),
    "a check of a missing run": ("verify", "missing"),
    "an architecture to describe that is unknown": ("models", "resnet19"),
}
"""What is wrong → the words after `striate`."""

RUN_EACH = """
import contextlib, importlib, io, json, os, sys
from striate.cli import COMMANDS, main

for module in {module for module, _ in COMMANDS.values()}:  # what nearly every error needs, none of it heavy
    importlib.import_module(f"striate.cli.{module}")
import striate.workflows.train, striate.workflows.train, striate.data_checks.split

for name, words in json.loads(sys.argv[1]).items():
    reader, writer = os.pipe()
    if not os.fork():  # a fresh process for each: nothing that another one imported is there
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main(words)
        heavy = [name for name in HEAVY if name in sys.modules]
        with open(writer, "w") as pipe:
            json.dump({"code": code, "said": said.getvalue(), "heavy": heavy}, pipe)
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        print(json.dumps({name: json.load(pipe)}), flush=True)
    os.wait()
"""


def _images(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data that the errors are about."""
    root = tmp_path_factory.mktemp("errors")
    for seed, name in enumerate("ab"):
        _images(root / "photos" / name, 20, seed)
        _images(root / "too-few" / name, 1, seed)
        _images(root / "leak" / "train" / name, 12, seed)
        _images(root / "leak" / "test" / name, 12, seed)
        (root / "unreadable" / name).mkdir(parents=True)
        for number in range(20):
            (root / "unreadable" / name / f"{number}.png").write_bytes(b"no image")
    _images(root / "one-class" / "a", 3, 0)
    (root / "empty").mkdir()
    (root / "runs" / "taken").mkdir(parents=True)
    (root / "no-label.csv").write_text("path,kind\nphotos/a/0.png,a\n", encoding="utf-8")
    (root / "missing-images.csv").write_text("path,label\nx.png,a\ny.png,b\n", encoding="utf-8")
    (root / "broken.zip").write_bytes(b"no archive")
    (root / "broken.json").write_text("{", encoding="utf-8")
    (root / "unknown-optimizer.json").write_text('{"optimizer": "adagard"}', encoding="utf-8")
    (root / "unknown-key.json").write_text('{"learnign_rate": 0.1}', encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def found(place: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What came of each."""
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{RUN_EACH}", json.dumps(ERRORS)],
        cwd=place,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
            **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),  # where nobody answers
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: one for line in done.stdout.splitlines() for name, one in json.loads(line).items()}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_explained_without_a_backend(name, found):
    one = found[name]
    assert one["code"] == 2, one["said"]
    lines = str(one["said"]).strip().splitlines()
    assert lines and "Traceback" not in str(one["said"])
    assert sum(line.startswith(("striate:", "Error:")) for line in lines) == 1, one["said"]
    assert one["heavy"] == []


def test_the_check_notices_a_backend(place):
    code = f"HEAVY = {HEAVY!r}\nimport sys\nsys.modules['keras'] = sys\n{RUN_EACH}"
    words = {"typo": ERRORS["a recipe of no known name"]}
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(words)], cwd=place, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["typo"]["heavy"] == ["keras"]


PREDICTING = """
import sys
import striate.inference.stream, striate.cli.predict, striate.cli.console, striate.models.onnx_model
from striate.config import from_json
from striate.data.decoding import open_image_bytes
from striate.models.classifier_manifest import ClassifierManifest

form = '{"height": 8, "width": 8, "channels": 1}'
from_json(ClassifierManifest, '{"format": 4, "architecture": "mlp", "classes": ["a", "b"], "preprocessing": %s, '
                    '"temperature": 1.0, "sha256": {}, "versions": {}}' % form, "classifier.json")
open_image_bytes(open("photos/a/0.png", "rb").read())
print([name for name in LEFT_OUT if name in sys.modules])
"""


def test_what_predicts_by_an_exported_file_imports_nothing_of_use_to_others(place):
    left_out = (*HEAVY, "rich", "scipy", "sklearn", "cv2", "tarfile", "PIL.TiffImagePlugin")
    done = subprocess.run(
        [sys.executable, "-c", f"LEFT_OUT = {left_out!r}\n{PREDICTING}"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr

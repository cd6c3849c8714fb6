"""Files of predictions: whole or unfinished, resumed after a kill; and copies by class."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.classifier import Classifier
from striate.cli import main
from striate.data.preprocessing import Preprocessing
from striate.errors import ConfigError, DataError
from striate.inference.output_files import (
    PARTIAL_SUFFIX,
    UNSAFE_CHARACTERS,
    ImageSorter,
    PredictionWriter,
    build_folder_names,
    require_distinct_paths,
)
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.prediction import Prediction
from striate.system.backend import set_seed

CLASSES = ("a", "b")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier's folder, and 400 small images, one of them broken."""
    root = tmp_path_factory.mktemp("home")
    set_seed(0)
    form = Preprocessing(16, 16, 3)
    Classifier(build_model(ARCHITECTURES["lenet"], form.shape, 3), ("10", "2", "äpfel"), form).save(root / "c")
    (root / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for number in range(400):
        pixels = rng.integers(0, 256, (20, 20, 3)).astype(np.uint8) // (1 + number % 3)
        Image.fromarray(pixels).save(root / "pictures" / f"{number:03}.png")
    (root / "pictures" / "123.png").write_bytes(b"broken")
    return root


def answer(source: str, share: float = 0.75) -> Prediction:
    return Prediction(source, "a", share, {"a": share, "b": 1 - share})


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_what_a_kill_left_is_resumed_to_the_same_file(ending: str, tmp_path: Path):
    names = ["one.jpg", 'two "quoted", with\na line break.jpg', "drei äöü.jpg", "four.jpg"]
    path, whole = tmp_path / f"t.{ending}", tmp_path / f"whole.{ending}"
    with PredictionWriter(whole, CLASSES) as take:
        for name in names:
            take(answer(name))
    text = whole.read_bytes()
    for cut in range(len(text)):
        (tmp_path / f"t.{ending}{PARTIAL_SUFFIX}").write_bytes(text[:cut])
        file = PredictionWriter(path, CLASSES, resume=True)
        file.require_same_sources(names)
        with file as take:
            for name in names[file.resume_count :]:
                take(answer(name))
        assert path.read_bytes() == text
        path.unlink()


def test_an_unfinished_file_is_neither_overwritten_nor_taken_for_a_whole(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("older")
    with pytest.raises(RuntimeError), PredictionWriter(path, CLASSES) as take:
        take(answer("a.jpg"))
        raise RuntimeError
    assert path.read_text() == "older"
    with pytest.raises(DataError, match=r"unfinished.*--resume"):
        PredictionWriter(path, CLASSES)
    with pytest.raises(DataError, match="other columns"):
        PredictionWriter(path, ("a", "c"), resume=True)
    file = PredictionWriter(path, CLASSES, resume=True)
    assert file.resume_count == 1
    with pytest.raises(DataError, match=r"number 1 is b\.jpg. Expected: a\.jpg"):
        file.require_same_sources(["b.jpg"])
    with pytest.raises(DataError, match="number 1 is missing"):
        PredictionWriter(path, CLASSES, resume=True).require_same_sources([])
    with PredictionWriter(path, CLASSES, resume=True) as take:
        take(answer("b.jpg"))
    assert [row["source"] for row in csv.DictReader(path.read_text("utf-8").splitlines())] == ["a.jpg", "b.jpg"]
    with pytest.raises(DataError, match="finished already"):
        PredictionWriter(path, CLASSES, resume=True)
    with pytest.raises(ConfigError, match="one file"):
        require_distinct_paths([path, tmp_path / "." / "t.csv"])


@pytest.mark.parametrize("ending", ["csv", pytest.param("jsonl", marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_command_goes_on_to_the_same_file(home: Path, ending: str, tmp_path: Path, capsys):
    options = f"--{ending}"
    words = ["predict", str(home / "c"), str(home / "pictures"), "-q", options]
    whole, killed = tmp_path / f"whole.{ending}", tmp_path / f"killed.{ending}"
    assert main([*words, str(whole)]) == 0
    pending = killed.with_name(killed.name + PARTIAL_SUFFIX)
    command = [sys.executable, "-m", "striate", *words, killed]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 60
    while time.monotonic() < until and not (pending.exists() and pending.stat().st_size > 1000):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not killed.exists()
    capsys.readouterr()
    assert main([*words, str(killed), "--resume"]) == 0
    assert "were answered before" in capsys.readouterr().out
    assert killed.read_bytes() == whole.read_bytes()
    assert not pending.exists()


def test_json_on_standard_output_and_both_files_say_the_same(home: Path, tmp_path: Path, capsys):
    files = [f"--{ending}={tmp_path}/t.{ending}" for ending in ("csv", "jsonl")]
    assert main(["predict", str(home / "c"), str(home / "pictures"), "--json", "-q", *files]) == 0
    printed = json.loads(capsys.readouterr().out)
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text("utf-8").splitlines()))
    assert printed == lines
    assert len(rows) == 400
    assert [row["label"] or None for row in rows] == [one["label"] for one in printed]
    assert [row["error"] or None for row in rows] == [one["error"] for one in printed]
    assert float(rows[0]["äpfel"]) == pytest.approx(printed[0]["probabilities"]["äpfel"], rel=1e-5)
    assert [one["source"] for one in printed if one["error"]] == [f"{home}/pictures/123.png"]
    assert main(["predict", str(home / "c"), str(home / "pictures" / "000.png"), "--resume"]) == 2
    assert "--resume with --csv FILE" in capsys.readouterr().err


def test_images_are_copied_by_class_once_and_nothing_is_overwritten(home: Path, tmp_path: Path, capsys):
    command = ["predict", str(home / "c"), str(home / "pictures"), "-q", "--sort-into", str(tmp_path / "s")]
    assert main([*command, f"--jsonl={tmp_path}/t.jsonl"]) == 0
    predictions = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    expected = {(one["label"], Path(one["source"]).name) for one in predictions if one["label"]}
    assert {(path.parent.name, path.name) for path in (tmp_path / "s").rglob("*.png")} == expected
    for one in predictions[:20]:
        copy = tmp_path / "s" / one["label"] / Path(one["source"]).name
        assert copy.read_bytes() == Path(one["source"]).read_bytes()
    assert main(command) == 0
    assert {(path.parent.name, path.name) for path in (tmp_path / "s").rglob("*.png")} == expected
    assert "Copied:  399 images" in capsys.readouterr().out
    assert main([*command, "--reject-below", "1"]) == 0
    assert len(list((tmp_path / "s" / "_abstained").iterdir())) == 399


def test_two_images_of_one_name_are_both_kept(tmp_path: Path):
    for folder, color in (("x", 1), ("y", 2), ("z", 1)):
        (tmp_path / folder).mkdir()
        Image.new("L", (4, 4), color).save(tmp_path / folder / "1.png")
    sorter = ImageSorter(tmp_path / "out", CLASSES)
    for folder in ("x", "y", "z"):
        sorter(answer("1.png"), tmp_path / folder / "1.png")
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == ["1 (2).png", "1.png"]


@given(st.lists(st.text(max_size=200), unique=True, max_size=8))
def test_class_names_make_safe_and_distinct_folders(classes: list[str]):
    found = build_folder_names(classes)
    assert list(found) == classes
    assert len({name.lower() for name in found.values()} | {"_abstained"}) == len(classes) + 1
    for name in found.values():
        assert name not in ("", ".", "..")
        assert not UNSAFE_CHARACTERS.search(name) and not name.startswith(".") and not name.endswith((".", " "))


def test_names_that_systems_reserve_and_climb_are_tamed():
    assert build_folder_names(["..", "../../etc", "con", "A", "a", "nul.txt", "_abstained"]) == {
        "..": "_",
        "../../etc": "_.._etc",
        "con": "con_",
        "A": "A",
        "a": "a (2)",
        "nul.txt": "nul.txt_",
        "_abstained": "_abstained (2)",
    }

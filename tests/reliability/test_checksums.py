"""A byte that changed, or a tail that is gone, anywhere in a run: it is found, and nobody uses the file in silence."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.cli import main
from striate.diagnosis.diagnose import load_diagnosis_report
from striate.diagnosis.training_signals import load_training_signals
from striate.errors import RunError, StriateError
from striate.evaluation.test_access import load_access_records, log_test_access
from striate.explain.training_replay import load_replay
from striate.runs.run import Run
from striate.runs.store import RunStore
from striate.system.checksums import CHECKSUM_FILE, find_damaged_files, rewrite_files, verify_file, write_checksums

READERS: dict[str, Callable[[Run], Any]] = {
    "run.json": lambda run: run.manifest,
    "recipe.json": lambda run: run.recipe,
    "report.json": lambda run: run.report,
    "validation.json": lambda run: run.validation_report,
    "history.csv": lambda run: run.history,
    "predictions.csv": lambda run: (run.load_predictions("test"), run.build_summary()),
    "predictions.npy": lambda run: run.load_predictions("test"),
    "validation.csv": lambda run: run.load_predictions("validation"),
    "validation.npy": lambda run: run.load_predictions("validation"),
    "symptoms.json": lambda run: load_training_signals(run.path),
    "diagnosis.json": lambda run: load_diagnosis_report(run.path),
    "test_access.csv": lambda run: load_access_records(run.path),
    "split.csv": lambda run: run.get_verified_file("split.csv"),
    "request.json": lambda run: run.get_verified_file("request.json"),
    "replay.safetensors": lambda run: load_replay(run.get_verified_file("replay.safetensors")),
    "classifier/classifier.json": lambda run: Classifier.load(run.path),
    "classifier/network.json": lambda run: Classifier.load(run.path),
    "classifier/weights.safetensors": lambda run: Classifier.load(run.path),
    f"classifier/{CHECKSUM_FILE}": lambda run: Classifier.load(run.path),
}
"""Every file that Striate reads of a finished run, and who reads it."""

FOR_PEOPLE = ("report.html", "report.md", "inside.html", "plots/curves.png", "plots/confusion.png", "plots/right.png")


@pytest.fixture
def run(digits_run: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(digits_run.path, tmp_path / "run"))


def _flipped(whole: bytes, rng: np.random.Generator) -> bytes:
    at, bit = int(rng.integers(len(whole))), int(rng.integers(8))
    return whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]


def _cut(whole: bytes, rng: np.random.Generator) -> bytes:
    return whole[: int(rng.integers(len(whole)))]


def _places(run: Run, number: int, seed: int) -> None:
    """Damages one place after the other, and has each looked for and read."""
    rng = np.random.default_rng(seed)
    files = [*READERS, *FOR_PEOPLE, CHECKSUM_FILE]
    for place in range(number):
        name = files[place % len(files)]
        path = run.path / name
        whole = path.read_bytes()
        path.write_bytes((_cut if rng.random() < 0.3 else _flipped)(whole, rng))
        try:
            if name == CHECKSUM_FILE:
                with pytest.raises(RunError, match="checksums is damaged"):
                    find_damaged_files(run.path)
            elif not name.endswith(f"/{CHECKSUM_FILE}"):
                assert [one.name for one in find_damaged_files(run.path)] == [name]
            if name in READERS:
                with pytest.raises(StriateError):
                    READERS[name](Run(run.path))
        finally:
            path.write_bytes(whole)
    assert find_damaged_files(run.path) == []


def test_damage_anywhere_is_found_and_never_used(run: Run):
    for name, read in READERS.items():
        read(Run(run.path))
        assert (run.path / name).is_file()
    _places(run, 2 * (len(READERS) + len(FOR_PEOPLE) + 1), seed=0)


@pytest.mark.slow
def test_damage_at_a_thousand_places_is_found_a_thousand_times(run: Run):
    _places(run, 1000, seed=1)


def test_a_run_has_nothing_that_is_not_checksummed_but_what_may_change(run: Run):
    listed = {line.split("  ")[1] for line in (run.path / CHECKSUM_FILE).read_text().splitlines()[:-1]}
    there = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}
    others = {name for name in there - listed if not name.startswith("tensorboard/")}
    assert others == {CHECKSUM_FILE, f"classifier/{CHECKSUM_FILE}", "run.lock"}
    assert listed <= there


def test_the_usual_tool_reads_the_list(run: Run):
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", CHECKSUM_FILE], cwd=run.path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (run.path / "report.md").write_text("better than it was")
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", CHECKSUM_FILE], cwd=run.path, capture_output=True, check=False
    )
    assert done.returncode == 1 and b"report.md: FAILED" in done.stdout


def test_verify_names_what_changed_and_what_is_gone(run: Run, capsys: pytest.CaptureFixture[str]):
    assert main(["verify", str(run.path)]) == 0
    assert capsys.readouterr().out == f"{run.path}: whole\n"
    (run.path / "report.json").write_bytes((run.path / "report.json").read_bytes() + b" ")
    (run.path / "plots" / "curves.png").unlink()
    assert main(["verify", str(run.path)]) == 1
    assert capsys.readouterr().out == f"{run.path}: plots/curves.png (missing), report.json (changed)\n"
    assert main(["verify", "--runs", str(run.path.parent), "--json"]) == 1
    assert '"sealed": true' in capsys.readouterr().out
    assert main(["verify", str(run.path / "classifier")]) == 0


def test_a_damaged_run_does_not_hide_the_others(run: Run, digits_run: Run, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(digits_run.path, run.path.parent / "sound")
    (run.path / "run.json").write_bytes(_flipped((run.path / "run.json").read_bytes(), np.random.default_rng(0)))
    assert main(["runs", "--runs", str(run.path.parent)]) == 0
    said = capsys.readouterr().out
    assert "run (damaged)" in said and "sound" in said
    assert len(RunStore(run.path.parent).list()) == 2


def test_a_look_at_the_test_images_is_added_to_a_checksummed_run(run: Run):
    before = len(load_access_records(run.path))
    log_test_access(run.path, "evaluate")
    assert len(load_access_records(run.path)) == before + 1
    assert find_damaged_files(run.path) == []


def test_at_no_moment_of_a_change_does_a_whole_file_look_damaged(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    write_checksums(tmp_path)
    with rewrite_files(tmp_path, "a"):
        assert find_damaged_files(tmp_path) == []
        (tmp_path / "a").write_text("2")
        assert find_damaged_files(tmp_path) == []
        assert verify_file(tmp_path, "a").read_text() == "2"
    assert find_damaged_files(tmp_path) == []
    (tmp_path / "a").write_text("1")
    assert [one.name for one in find_damaged_files(tmp_path)] == ["a"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside"])
def test_a_list_that_names_files_outside_its_folder_is_refused(tmp_path: Path, name: str):
    from striate.system.checksums import _write_list

    _write_list(tmp_path, {name: "0" * 64})
    with pytest.raises(RunError, match="outside its folder"):
        find_damaged_files(tmp_path)

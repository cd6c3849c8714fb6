"""striate ladder as users type it: stopped, killed, and resumed. In processes of its own where that matters."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from striate.cli import main

WORDS = ("ladder", "digits", "--architectures", "mlp,cnn-small", "--epochs", "1", "--precision", "float32")


def striate(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs one command in this process and returns what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def striate_process(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs one command in a process of its own and returns what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "striate", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def stopped(folder: Path, word: str, number: signal.Signals, *words: str) -> tuple[int, str]:
    """Runs one command, sends it a signal when a line begins with `word`, and returns its exit code and the rest."""
    command = [sys.executable, "-m", "striate", *words]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(word):
                break
        os.killpg(process.pid, number)
        rest = process.stdout.read()
    return process.returncode, rest


def trained(folder: Path) -> dict[str, int]:
    """Returns run's name → when its manifest was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/run.json")}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder with a ladder of two rungs."""
    folder = tmp_path_factory.mktemp("home")
    done = striate_process(*WORDS, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    (folder / "ladder.json").write_text(done.stdout)
    (folder / "ladder.err").write_text(done.stderr)
    return folder


def test_one_json_document_and_the_progress_elsewhere(home: Path) -> None:
    said = json.loads((home / "ladder.json").read_text())
    assert said["state"] == "finished"
    assert said["ladder"] == "runs/ladder-digits"
    assert [row["architecture"] for row in said["rungs"]] == ["mlp", "cnn-small"]
    for row in said["rungs"]:
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]
        assert row["n"] == 359
    assert said["steps"][0]["verdict"] in ("mlp is better", "cnn-small is better", "no significant difference")
    assert (home / said["plot"]).is_file()
    lines = (home / "ladder.err").read_text().splitlines()
    assert "1/2  mlp-seed0, 1986" in lines
    assert sum(line.startswith("Epoch 1/1") for line in lines) == 2
    assert "retracing" not in (home / "ladder.err").read_text()


def test_the_table_fits_a_terminal_and_says_what_its_figures_are(home: Path) -> None:
    before = trained(home / "runs" / "ladder-digits")
    done = striate(*WORDS, folder=home)
    assert done.returncode == 0
    assert trained(home / "runs" / "ladder-digits") == before
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert all(
        word in done.stdout
        for word in ("network", "year", "95 % interval", "s/epoch", "weights", "mult-adds", "ms/picture")
    )
    assert "359 test images" in done.stdout
    accuracy = json.loads((home / "ladder.json").read_text())["rungs"][0]["accuracy"]
    assert f"{100 * accuracy:.2f} %" in done.stdout
    assert "Real (McNemar" in done.stdout or "Cannot be told apart" in done.stdout


def test_the_runs_are_listed_and_predict_like_any_other(home: Path, photos: Path) -> None:
    listed = json.loads(striate("runs", "--runs", "runs/ladder-digits", "--json", folder=home).stdout)
    assert [Path(row["run"]).name for row in listed] == ["mlp-seed0", "cnn-small-seed0"]
    one = next((photos / "across").iterdir())
    done = striate("predict", "runs/ladder-digits/mlp-seed0", one, "--json", folder=home)
    assert json.loads(done.stdout)[0]["label"] in list("0123456789")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ladder", "nowhere", "--architectures", "mlp,lenett"), "Try: lenet."),
        (("ladder", "digits", "--architectures", ","), "no rung"),
        (("ladder", "digits", "--architectures", "mlp", "--seeds", "0"), "seeds"),
        (("ladder", "digits", "--architectures", "mlp", "--size", "big"), "--size"),
        (("ladder", "digits", "--architectures", "mlp", "--epochs", "0"), "epochs"),
        (("ladder", "digits", "--architectures", "mlp", "--name", "../out"), "Not a name for a run"),
        (
            ("ladder", "digits", "--architectures", "mlp", "--epochs", "7", "--precision", "float32"),
            "begun with another plan. Received: epochs 7.",
        ),
        (("ladder", "nowhere", "--architectures", "mlp"), "There is no such folder"),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(
    home: Path,
    words: tuple[str, ...],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(path for path in home.rglob("*"))
    monkeypatch.chdir(home)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert expected in shown.err
    assert sorted(path for path in home.rglob("*")) == before


def test_a_model_that_the_images_are_too_small_for_fails_alone(home: Path) -> None:
    words = (*WORDS, "--size", "1", "--name", "dots")
    done = striate(*words, folder=home)
    assert done.returncode == 1, done.stderr
    assert "cnn-small failed: The images are too small" in done.stdout
    assert "Traceback" not in done.stderr
    assert list(trained(home / "runs" / "dots")) == ["mlp-seed0"]


@pytest.mark.slow  # test_resumed_runs.py stops and resumes a ladder
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = ("ladder", "digits", "--architectures", "mlp,cnn-small", "--epochs", "12", "--precision", "float32")
    code, rest = stopped(tmp_path, "2/2", signal.SIGINT, *words)
    assert code == 130
    assert "The same command goes on from here" in rest
    assert "Traceback" not in rest
    folder = tmp_path / "runs" / "ladder-digits"
    assert json.loads((folder / "ladder.json").read_text())["state"] == "interrupted"
    before = trained(folder)["mlp-seed0"]
    done = striate(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 2 runs are there already." in done.stdout
    assert trained(folder)["mlp-seed0"] == before
    assert json.loads((folder / "ladder.json").read_text())["state"] == "finished"


@pytest.mark.slow
def test_a_ladder_killed_in_the_middle_resumes_the_run_that_was_lost(tmp_path: Path) -> None:
    words = ("ladder", "digits", "--architectures", "mlp,cnn-small", "--epochs", "12")
    code, _ = stopped(tmp_path, "2/2", signal.SIGKILL, *words)
    assert code == -signal.SIGKILL
    folder = tmp_path / "runs" / "ladder-digits"
    assert json.loads((folder / "ladder.json").read_text())["state"] == "unfinished"
    before = trained(folder)
    assert list(before) == ["mlp-seed0"]
    done = striate(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    after = trained(folder)
    assert after.keys() == {"mlp-seed0", "cnn-small-seed0"}
    assert after["mlp-seed0"] == before["mlp-seed0"]

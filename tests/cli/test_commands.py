"""The commands as users type them: in this process, but for what only a process of its own can show."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.cli import main
from striate.config import replace_config, to_json
from striate.data.loaders.load import load_images
from striate.training.presets import RECIPES

UNPLUGGED = {
    **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),
    **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
}
"""An environment in which nothing can be downloaded."""


def striate(*words: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs one command in this process and returns what it printed: starting the backend takes longer than most
    commands.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        patch.setattr(sys, "argv", ["striate", *map(str, words)])
        for name, value in environment.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(word) for word in words])
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def striate_process(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs one command in a process of its own and returns what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "striate", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A working folder with a run on stripes, made by the command line."""
    folder = tmp_path_factory.mktemp("home")
    words = ("train", photos, "--epochs", 6, "--size", 32, "--precision", "float32", "--name", "stripes", "--json")
    done = striate_process(*words, folder=folder)
    assert done.returncode == 0, done.stderr
    (folder / "train.json").write_text(done.stdout)
    (folder / "train.err").write_text(done.stderr)
    return folder


@pytest.mark.backend
def test_train_prints_one_json_document_and_its_progress_elsewhere(home: Path) -> None:
    said = json.loads((home / "train.json").read_text())
    assert said["classes"] == ["across", "slanting", "upright"]
    assert said["epochs"] == 6
    assert said["test"]["n"] == 18
    low, high = said["test"]["interval"]
    assert low <= said["test"]["accuracy"] <= high
    assert said["findings"] == []
    lines = [line for line in (home / "train.err").read_text().splitlines() if line.startswith("Epoch ")]
    assert len(lines) == 6
    assert all(word in lines[0] for word in ("loss", "accuracy", "val_loss", "val_accuracy", "ms/step", "images/s"))


@pytest.mark.backend
def test_predict_predictions_in_order_and_reports_broken_inputs_in_their_place(home: Path, photos: Path) -> None:
    (home / "broken.jpg").write_bytes(b"not a picture")
    one = photos / "upright" / "upright 3.jpg"
    done = striate("predict", "stripes", one, "broken.jpg", "missing.png", one, "--json", folder=home)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert [item["source"] for item in found] == [str(one), "broken.jpg", "missing.png", str(one)]
    assert found[0]["label"] in ("across", "slanting", "upright")
    assert found[0]["confidence"] == max(found[0]["probabilities"].values())
    assert sum(found[0]["probabilities"].values()) == pytest.approx(1)
    assert found[0]["probabilities"] == pytest.approx(found[3]["probabilities"])
    assert found[1]["label"] is None and "not an image" in found[1]["error"]
    assert found[2]["label"] is None and "no such file" in found[2]["error"]


def test_predict_fails_only_when_nothing_could_be_read(home: Path) -> None:
    done = striate("predict", "stripes", "missing.png", folder=home)
    assert done.returncode == 2
    assert "no such file" in done.stdout
    assert "Traceback" not in done.stderr


def test_predict_takes_folders_globs_and_a_list_and_writes_a_table(home: Path, photos: Path) -> None:
    done = striate("predict", "stripes", photos / "across", f"{photos}/upright/*1*.jpg", "--csv", "t.csv", folder=home)
    assert done.returncode == 0
    with (home / "t.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 + len(list((photos / "upright").glob("*1*.jpg")))
    assert {"source", "label", "confidence", "across", "slanting", "upright", "abstained", "error"} == set(rows[0])


def test_predict_may_be_unsure_and_says_of_how_many(home: Path, photos: Path) -> None:
    words = ("predict", "stripes", photos / "across", "--reject-below", "1")
    done = striate(*words, "--csv", "unsure.csv", folder=home)
    assert done.returncode == 0
    assert len(re.findall(r": abstained \((?:across|slanting|upright) \d", done.stdout)) == 30
    assert "Unsure of 30 of 30 (100.0 %)" in done.stdout
    with (home / "unsure.csv").open(encoding="utf-8") as file:
        assert {(row["label"], row["abstained"], row["error"]) for row in csv.DictReader(file)} == {("", "yes", "")}
    (item,) = json.loads(
        striate(*words[:2], photos / "across" / "across 3.jpg", *words[3:], "--json", folder=home).stdout
    )
    assert (item["label"], item["abstained"], item["error"]) == (None, True, None)
    assert item["confidence"] == max(item["probabilities"].values())


def test_a_target_risk_that_few_images_cannot_promise_is_told(home: Path, photos: Path) -> None:
    done = striate("predict", "stripes", photos / "across", "--target-risk", "0.0001", folder=home)
    assert done.returncode == 2
    assert "validation images cannot promise so low a risk" in done.stderr
    both = striate("evaluate", "stripes", "--target-risk", "0.1", "--reject-below", "0.5", folder=home)
    assert both.returncode == 2
    assert "both set the confidence" in both.stderr


def test_evaluate_tells_the_price_of_being_sure(home: Path) -> None:
    done = striate("evaluate", "stripes", "--reject-below", "0.34", folder=home)
    assert done.returncode == 0
    assert "of the images, those with a confidence of 34.0 % or more" in done.stdout
    found = json.loads(striate("evaluate", "stripes", "--reject-below", "0.6", "--json", folder=home).stdout)
    assert found["refusal"]["n"] == found["test"]["n"] == 18
    assert found["refusal"]["accepted_count"] <= 18


def test_the_doctor_names_a_rate_of_ten_when_training_ends_and_later(tmp_path: Path) -> None:
    words = ("train", "digits", "--arch", "mlp", "--lr", "10", "--epochs", "6", "--name", "hot")
    done = striate(*words, folder=tmp_path)
    assert done.returncode == 0
    assert (
        "Doctor:  The learning rate is too high. Try: striate train digits --arch mlp --epochs 6 --lr 0.0"
        in done.stdout
    )
    later = striate("doctor", "hot", folder=tmp_path)
    assert later.returncode == 1
    assert later.stdout.startswith("ERROR    The learning rate is too high.\n")
    assert "where guessing costs 2.30" in later.stdout
    found = json.loads(striate("doctor", "hot", "--json", folder=tmp_path).stdout)["findings"]
    assert (found[0]["kind"], found[0]["severity"]) == ("learning_rate_too_high", "error")
    page = (tmp_path / "runs" / "hot" / "report.html").read_text(encoding="utf-8")
    assert "Diagnosis" in page
    for name in ("symptoms.json", "diagnosis.json"):
        (tmp_path / "runs" / "hot" / name).unlink()
    older = striate("doctor", "hot", folder=tmp_path)
    assert (older.returncode, "Not looked at" in older.stdout) == (1, True)
    nowhere = striate("doctor", "hott", folder=tmp_path)
    assert nowhere.returncode == 2
    assert "Try: hot." in nowhere.stderr


def test_evaluate_writes_the_report_anew_and_notes_each_look(home: Path, tmp_path: Path) -> None:
    page, text = tmp_path / "r.html", tmp_path / "r.md"
    done = striate("evaluate", "stripes", "--html", page, "--md", text, folder=home)
    assert done.returncode == 0
    assert f"Report:  {page}" in done.stdout
    assert re.search(r"^Balanced accuracy [\d.]+ %, Cohen's kappa -?[\d.]+, Matthews'", done.stdout, flags=re.M)
    with (home / "runs" / "stripes" / "test_access.csv").open(encoding="utf-8") as file:
        looks = [row["operation"] for row in csv.DictReader(file)]
    assert looks[0] == "train" and set(looks[1:]) == {"evaluate"}
    assert f"evaluated {len(looks)} times" in page.read_text(encoding="utf-8")
    assert f"evaluated {len(looks)} times" in text.read_text(encoding="utf-8")
    bad = striate("evaluate", "stripes", "--html", tmp_path / "absent" / "r.html", folder=home)
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr


def test_evaluate_tells_how_the_classifier_holds(home: Path) -> None:
    words = ("evaluate", "stripes", "--robustness-images", "10")
    done = striate(*words, folder=home)
    assert done.returncode == 0
    assert "another angle" in done.stdout and "On 10 of the images" in done.stdout
    kept = json.loads((home / "runs" / "stripes" / "robustness.json").read_text())
    assert kept == json.loads(striate(*words, "--json", folder=home).stdout)["robustness"]
    assert {path.name for path in (home / "runs" / "stripes" / "plots").glob("*r*s*.png")} >= {
        "robustness.png",
        "corruptions.png",
    }


def test_predict_with_top_shows_only_the_most_probable(home: Path, photos: Path) -> None:
    one = photos / "upright" / "upright 3.jpg"
    (item,) = json.loads(striate("predict", "stripes", one, "--top", 1, "--json", folder=home).stdout)
    assert list(item["probabilities"]) == [item["label"]]


def test_a_classifier_moved_away_from_its_run_predicts_the_same(home: Path, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "runs" / "stripes" / "classifier", tmp_path / "elsewhere")
    one = photos / "slanting" / "slanting 7.jpg"
    before = striate("predict", "stripes", one, "--json", folder=home).stdout
    assert json.loads(striate("predict", tmp_path / "elsewhere", one, "--json", folder=home).stdout) == json.loads(
        before
    )


@pytest.mark.backend
def test_evaluate_repeats_the_runs_own_figures(home: Path) -> None:
    said = json.loads(striate("evaluate", "stripes", "--json", folder=home).stdout)
    assert said["test"]["accuracy"] == json.loads((home / "train.json").read_text())["test"]["accuracy"]


def test_evaluate_on_the_very_data_of_the_training_measures_only_the_test_images(home: Path, photos: Path) -> None:
    own = json.loads((home / "train.json").read_text())["test"]
    done = striate("evaluate", "stripes", photos, "--json", folder=home)
    assert json.loads(done.stdout)["test"] == own
    assert "only the images it set aside" in done.stderr
    shutil.copytree(photos, home / "copy")
    assert json.loads(striate("evaluate", "stripes", "copy", "--json", folder=home).stdout)["test"] == own


def test_data_exits_with_1_for_what_training_would_refuse(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "few")
    (tmp_path / "few" / "single").mkdir()
    shutil.copy(photos / "across" / "across 1.jpg", tmp_path / "few" / "single")
    done = striate("data", "few", folder=tmp_path)
    assert done.returncode == 1
    assert "'single'" in done.stdout and "too few images to divide" in done.stdout


def test_evaluate_on_other_data_matches_classes_by_name(home: Path, photos: Path, tmp_path: Path) -> None:
    for name in ("upright", "across"):
        shutil.copytree(photos / name, tmp_path / "other" / name)
    said = json.loads(striate("evaluate", "stripes", tmp_path / "other", "--json", folder=home).stdout)
    assert said["test"]["n"] == 60
    (tmp_path / "other" / "upright").rename(tmp_path / "other" / "uprigth")
    done = striate("evaluate", "stripes", tmp_path / "other", folder=home)
    assert done.returncode == 2
    assert "'upright'" in done.stderr


def test_compare_tells_what_differs_and_draws_the_curves(home: Path, photos: Path) -> None:
    words = (
        "train",
        photos,
        "--epochs",
        2,
        "--precision",
        "float32",
        "--size",
        32,
        "--arch",
        "mlp",
        "--artifacts",
        "none",
        "--name",
        "dense",
        "-q",
    )
    assert striate(*words, folder=home).returncode == 0
    done = striate("compare", "stripes", "dense", "--json", folder=home)
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert said["differing"]["architecture"] == ["cnn", "mlp"]
    assert [run["run"] for run in said["runs"]] == ["stripes", "dense"]
    assert said["pairs"][0]["verdict"] in ("stripes is better", "dense is better", "no significant difference")
    with Image.open(home / said["plot"]) as plot:
        assert plot.size[0] > 1000
    page = (home / said["page"]).read_text(encoding="utf-8")
    assert "images on which they differ" in page and said["missing_images"] is None
    assert {"difference", "interval", "p_value", "adjusted_p_value", "verdict", "lost", "gained"} <= said["pairs"][
        0
    ].keys()
    shown = striate("compare", "stripes", "dense", folder=home).stdout
    assert "McNemar" in shown
    assert "architecture" in shown


def test_data_counts_checks_and_writes_a_page(photos: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(photos, tmp_path / "mixed")
    (folder / "across" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (folder / "across" / "Thumbs.db").write_bytes(b"litter")
    done = striate("data", folder, "--json", folder=tmp_path)
    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert said["classes"] == {"across": 31, "slanting": 30, "upright": 30}
    assert said["splits"] == {"undivided": 91}
    kinds = {finding["kind"]: finding for finding in said["findings"]}
    assert kinds["broken"]["files"][0].startswith("across/broken.png: ")
    assert kinds["ignored"]["files"] == ["across/Thumbs.db"]
    assert "across/broken.png" in (tmp_path / said["page"]).read_text(encoding="utf-8")
    assert said["statistics"]["formats"] == {"JPEG": 90} and said["statistics"]["bytes"]["minimum"] > 500
    assert {one["feature"] for one in said["shortcuts"]} >= {"file size", "mean color"}
    assert said["corrections"] is None
    shown = striate("data", folder, "--png", "sheet.png", "--html", "here.html", folder=tmp_path).stdout
    assert "across" in shown and "here.html" in shown
    assert "format                 JPEG 100.0 %" in shown
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.asarray(sheet).std() > 10


def test_a_leak_is_found_repaired_and_trained_without(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "leaky"
    for name in ("across", "upright"):
        for number, path in enumerate(sorted((photos / name).iterdir())):
            target = folder / ("test" if number % 3 == 0 else "train") / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.copyfile(folder / "test" / "across" / "across 0.jpg", folder / "train" / "across" / "again.jpg")
    train = ("train", folder, "--arch", "mlp", "--epochs", "1", "--json")
    refused = striate(*train, folder=tmp_path)
    assert refused.returncode == 2 and not (tmp_path / "runs").exists()
    assert "test/across/across 0.jpg = train/across/again.jpg" in refused.stderr
    assert "--allow-leaks" in refused.stderr and "Traceback" not in refused.stderr

    looked = striate("data", folder, "--fix", "--json", folder=tmp_path)
    said = json.loads(looked.stdout)
    assert looked.returncode == 1
    assert said["corrections"] == "leaky-corrections.csv"
    rows = (tmp_path / said["corrections"]).read_text(encoding="utf-8").splitlines()
    assert rows == [
        "key,action,label,original_label,reason",
        "train/across/again.jpg,exclude,,across,leak: shows the same as test/across/across 0.jpg",
    ]

    words = (*train, "--corrections", said["corrections"], "--artifacts", "none", "--name", "repaired")
    repaired = striate(*words, folder=tmp_path)
    assert repaired.returncode == 0, repaired.stderr
    result = json.loads(repaired.stdout)
    assert result["findings"] == [] and result["test"]["without_leaks"] is None
    again = json.loads(striate("evaluate", "repaired", "--json", folder=tmp_path).stdout)
    assert again["test"] == result["test"]

    allowed = striate(*train, "--allow-leaks", "--name", "allowed", folder=tmp_path)
    assert allowed.returncode == 0, allowed.stderr
    result = json.loads(allowed.stdout)
    assert [finding["kind"] for finding in result["findings"]] == ["leak"]
    assert result["test"]["n"] == 20 and result["test"]["without_leaks"]["n"] == 19
    again = json.loads(striate("evaluate", "allowed", "--json", folder=tmp_path).stdout)
    assert again["test"] == result["test"]
    assert "Accuracy without leaks" in (tmp_path / "runs" / "allowed" / "report.html").read_text(encoding="utf-8")


def test_label_issues_are_listed_to_be_decided_on(tmp_path: Path) -> None:
    digits = load_images("digits")
    for index in np.flatnonzero(np.isin(digits.labels, (0, 1, 7))).tolist():
        folder = tmp_path / "doubtful" / f"class {digits.labels[index]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.read(index)[:, :, 0]).save(folder / f"{index}.png")
    (folder.parent / "class 0" / "0.png").rename(folder.parent / "class 7" / "stranger.png")
    (tmp_path / "quick.json").write_text(to_json(replace_config(RECIPES["fast-digits"], precision="float32")))
    words = ("data", folder.parent, "--label-issues", "--recipe", "quick.json", "--fix", "list.csv", "--json")
    said = json.loads(striate(*words, folder=tmp_path).stdout)
    suspect = next(finding for finding in said["findings"] if finding["kind"] == "label_suspect")
    assert "class 7/stranger.png" in suspect["files"] and suspect["count"] < 20
    rows = (tmp_path / "list.csv").read_text(encoding="utf-8")
    assert "class 7/stranger.png,keep,class 0,class 7,label_suspect: margin -" in rows
    assert "Labels in doubt" in (tmp_path / said["page"]).read_text(encoding="utf-8")


def test_lists_show_what_there_is(home: Path) -> None:
    assert {"mlp", "lenet", "cnn-small", "cnn"} <= {
        row["name"] for row in json.loads(striate("models", "--json", folder=home).stdout)
    }
    assert {"digits", "mnist", "fashion_mnist", "cifar10", "cifar100"} == {
        row["name"] for row in json.loads(striate("datasets", "--json", folder=home).stdout)
    }
    assert set(json.loads(striate("recipes", "--json", folder=home).stdout)) == {
        *("default", "classic", "resnet-cifar", "fast", "fast-digits", "fast-clothes")
    }
    (first, *_) = json.loads(striate("runs", "--json", folder=home).stdout)
    assert Path(first["run"]).name == "stripes" and first["state"] == "finished"
    for verb in ("models", "datasets", "recipes", "runs"):
        assert len(striate(verb, folder=home).stdout.splitlines()) > 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "nowhere"), "There is no such folder, table or named data set. Received: nowhere"),
        (("train", "digitz"), "Try: digits."),
        (("train", "digits", "--arch", "lenett"), "Try: lenet."),
        (("train", "digits", "--recipe", "clasic"), "Try: classic."),
        (("train", "digits", "--epochs", "0"), "epochs"),
        (("train", "digits", "--dropout", "1.5"), "dropout"),
        (("train", "digits", "--size", "big"), "--size"),
        (("train", "digits", "--augment", "flop"), "Try: flip."),
        (("train", "digits", "--name", "../out"), "Not a name for a run"),
        (("train", "digits", "--name", "stripes"), "A run of that name is there already"),
        (("train", "digits", "--backend", "tensorflw"), "Try: tensorflow."),
        (("train", "digits", "--device", "gpu:x"), "Unknown device"),
        (("predict", "strips", "x.jpg"), "Try: stripes."),
        (("compare", "stripes"), "Two runs or more"),
        (("compare", "stripes", "nothing"), "There is no such run"),
        (("trian", "digits"), "Try: striate train"),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(
    home: Path,
    words: tuple[str, ...],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(path.name for path in (home / "runs").iterdir())
    monkeypatch.chdir(home)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert expected in shown.err
    assert "Traceback" not in shown.err
    assert sorted(path.name for path in (home / "runs").iterdir()) == before


def test_an_unknown_key_in_a_recipe_names_the_nearest(home: Path, tmp_path: Path) -> None:
    recipe = json.loads((home / "runs" / "stripes" / "recipe.json").read_text())
    recipe["epohcs"] = recipe.pop("epochs")
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    done = striate("train", "digits", "--recipe", tmp_path / "recipe.json", folder=home)
    assert done.returncode == 2
    assert "Received: epohcs" in done.stderr and "Try: epochs." in done.stderr


def test_a_runs_recipe_trains_the_same_model_again(home: Path, photos: Path) -> None:
    words = (
        "train",
        photos,
        "--recipe",
        "runs/stripes/recipe.json",
        "--artifacts",
        "none",
        "--name",
        "again",
        "--json",
    )
    done = striate(*words, folder=home)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((home / "runs" / name / "report.json").read_text()) for name in ("stripes", "again"))
    assert first["confusion"] == second["confusion"]


def test_offline_a_missing_data_set_says_which_file_to_put_where(tmp_path: Path) -> None:
    done = striate("train", "mnist", "--data-dir", "here", folder=tmp_path, **UNPLUGGED)
    assert done.returncode == 2
    assert "train-images-idx3-ubyte.gz" in done.stderr and "f68b3c2dcbeaaa9fbdd348bbdeb94873" in done.stderr
    assert "here/mnist" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_leaves_a_run_that_can_be_resumed_or_finished(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "striate", "train", "digits", "--arch", "mlp", "--epochs", "5000", "--name", "long"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Epoch    3/"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "Stopping after this step" in rest
    assert "striate train --resume runs/long" in rest
    assert "Test accuracy" not in rest
    assert not (tmp_path / "runs" / "long" / "run.json").exists()
    done = striate("train", "--resume", "long", "--finish", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Finished early, after" in done.stdout and "Test accuracy" in done.stdout
    manifest = json.loads((tmp_path / "runs" / "long" / "run.json").read_text())
    assert manifest["state"] == "interrupted"
    assert 3 <= manifest["epochs"] < 5000
    assert (tmp_path / "runs" / "long" / "report.html").is_file()


def test_output_cut_off_by_head_is_no_error(home: Path, photos: Path) -> None:
    command = f"{sys.executable} -m striate predict stripes {photos} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=home, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_the_bar_is_drawn_on_a_terminal(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    words = ("train", "digits", "--arch", "mlp", "--epochs", "2", "--precision", "float32", "--artifacts", "none")
    process = subprocess.Popen(
        [sys.executable, "-m", "striate", *words],
        cwd=tmp_path,
        stdout=child,
        stderr=child,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(child)
    shown = b""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            shown += os.read(parent, 4096)
        except OSError:  # the other end has closed
            break
    assert process.wait(60) == 0
    assert b"training" in shown and b"steps" in shown
    assert "━".encode() in shown
    assert b"Test accuracy" in shown


# Pretrained weights


IMPOSTORS = {
    "pointer.h5": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS pointer"),
    "page.h5": (b"<!DOCTYPE html><title>404</title>", "a web page saved under the name of the weights"),
    "empty.h5": (b"", "which is empty"),
    "cut.h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "The weights are damaged"),
    "model.keras": (b"PK\x03\x04", "a zip archive, as .keras files are"),
}


@pytest.mark.parametrize("name", [*IMPOSTORS, "absent.h5", "folder"])
def test_what_are_no_weights_gets_one_message_and_no_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, expected = IMPOSTORS.get(name, (None, "The weights cannot be read"))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(("train", "digits", "--pretrained", name)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert expected in shown.err and name in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_weights_of_another_model_name_the_right_one(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = test_data / "weights" / "mobilenet_v2_0.35_224_no_top.h5"
    assert main(("train", "digits", "--arch", "mobilenet_v2", "--pretrained", str(weights))) == 2
    shown = capsys.readouterr().err
    assert "These are not weights of mobilenet_v2" in shown and "Try: --arch mobilenet_v2_0.35." in shown
    assert not (tmp_path / "runs").exists()


def test_offline_missing_weights_say_which_file_to_put_where(tmp_path: Path) -> None:
    words = ("train", "digits", "--arch", "vgg16", "--pretrained", "imagenet")
    done = striate(*words, folder=tmp_path, KERAS_HOME=str(tmp_path / "k"), **UNPLUGGED)
    assert done.returncode == 2
    for part in ("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "6d6bbae143d832006294945121d1f1fc"):
        assert part in done.stderr
    assert "https://storage.googleapis.com/" in done.stderr and str(tmp_path / "k" / "models") in done.stderr
    assert "--pretrained none" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_frozen_model_trains_predicts_and_is_measured_from_the_shell(
    test_data: Path, photos: Path, tmp_path: Path
) -> None:
    weights = test_data / "weights" / "mobilenet_v2_0.35_224_no_top.h5"
    words = ("train", photos, "--pretrained", weights, "--size", 64, "--epochs", 12, "--name", "p", "--json")
    done = striate(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["test"]["accuracy"] > 0.6
    assert "mobilenet_v2_0.35, with pretrained weights, on" in done.stderr
    one = photos / "upright" / "upright 3.jpg"
    (item,) = json.loads(striate("predict", "p", one, "--json", folder=tmp_path).stdout)
    assert item["label"] in ("across", "slanting", "upright")
    again = json.loads(striate("evaluate", "p", "--json", folder=tmp_path).stdout)
    assert again["test"]["accuracy"] == json.loads(done.stdout)["test"]["accuracy"]

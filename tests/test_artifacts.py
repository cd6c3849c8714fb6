"""A run's artifacts can be left out of a training and made later; without them the run is whole."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from striate.cli import main
from striate.data.loaders.load import load_images
from striate.errors import ConfigError, DataError, RunError, UnknownNameError
from striate.progress import Progress
from striate.runs.artifacts import ARTIFACTS, parse_artifact_names
from striate.runs.request import load_request
from striate.runs.run import Run
from striate.system.atomic_files import write_json
from striate.system.checksums import find_damaged_files, rewrite_files
from striate.workflows import evaluate, report
from striate.workflows.report import write_report
from striate.workflows.train import resume, train

FILES = {file for files in ARTIFACTS.values() for file in files}
FORMATS = Path(__file__).parent / "formats"
QUICK = {"architecture": "lenet", "height": 32, "width": 32, "epochs": 1, "precision": "float32"}


class Lines(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)


def contents(run: Run) -> dict[str, bytes]:
    """Returns path → bytes of every file in a run's folder."""
    paths = (path for path in run.path.rglob("*") if path.is_file())
    return {path.relative_to(run.path).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def complete(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with all artifacts."""
    return train(photos, runs=tmp_path_factory.mktemp("all"), name="r", target_risk=0.4, **QUICK)


@pytest.fixture(scope="module")
def bare(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same training without artifacts."""
    return train(photos, runs=tmp_path_factory.mktemp("none"), name="r", target_risk=0.4, artifacts="none", **QUICK)


@pytest.fixture
def run(bare: Run, tmp_path: Path) -> Run:
    """A copy of the run without artifacts."""
    return Run(shutil.copytree(bare.path, tmp_path / "r"))


def without_artifacts(run: Run, folder: Path) -> Run:
    """Returns a copy of a run as its training would have left it with artifacts="none", but for request.json."""
    copy = Run(shutil.copytree(run.path, folder / run.name))
    with rewrite_files(copy.path, *FILES):
        for file in FILES:
            (copy.path / file).unlink()
        (copy.path / "plots").rmdir()
    return copy


def test_names_are_brought_into_the_order_in_which_artifacts_are_made():
    assert parse_artifact_names("all") == tuple(ARTIFACTS) == ("plots", "inside", "report")
    assert parse_artifact_names("none") == parse_artifact_names(()) == ()
    assert parse_artifact_names("report, plots") == parse_artifact_names(["report", "plots"]) == ("plots", "report")


@pytest.mark.parametrize("wanted", ["", " , ", "all,report", ["none", "plots"], 3, None])
def test_what_names_no_artifacts_is_refused(wanted):
    with pytest.raises(ConfigError, match="Expected"):
        parse_artifact_names(wanted)


@pytest.mark.parametrize(
    ("name", "near"), [("plot", "plots"), ("reports", "report"), ("report,insight", "inside"), ("All", "all")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(UnknownNameError, match=rf"no artifact of that name.*Try: {near}\."):
        parse_artifact_names(name)


def test_a_misspelt_name_on_the_command_line_costs_no_backend(tmp_path):
    code = (
        "import sys; from striate.cli import main\n"
        "for verb in ('train', 'report', 'ladder', 'repeat', 'tune', 'learning-curve'):\n"
        "    assert main([verb, 'digits', '--artifacts', 'plot']) == 2\n"
        "print(sorted({'keras', 'tensorflow', 'matplotlib', 'jax', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
    assert done.stderr.count("There is no artifact of that name. Received: plot.") == 6
    assert not list(tmp_path.iterdir())


def test_without_artifacts_the_run_is_whole_and_the_same(complete: Run, bare: Run):
    assert complete.artifacts == tuple(ARTIFACTS) and bare.artifacts == ()
    assert bare.state == "finished" and find_damaged_files(bare.path) == []
    assert contents(complete).keys() - contents(bare).keys() == FILES
    same = ("report.json", "validation.json", "predictions.csv", "predictions.npy", "classifier/weights.safetensors")
    for name in same:
        assert (bare.path / name).read_bytes() == (complete.path / name).read_bytes(), name


def test_artifacts_made_later_are_the_same_bytes(complete: Run, tmp_path: Path):
    copy = without_artifacts(complete, tmp_path)
    assert copy.artifacts == ()
    paths = write_report(copy)
    assert {path.relative_to(copy.path).as_posix() for path in paths} == FILES
    assert contents(copy) == contents(complete), "the list of checksums and the looks at the test images included"


def test_some_artifacts_are_made_alone_and_the_report_learns_of_the_page_beside_it(run: Run):
    assert [path.name for path in write_report(run, "report")] == ["report.html", "report.md"]
    assert run.artifacts == ("report",) and find_damaged_files(run.path) == []
    assert 'href="inside.html"' not in (run.path / "report.html").read_text(encoding="utf-8")
    write_report(run, ["inside"])
    assert 'href="inside.html"' in (run.path / "report.html").read_text(encoding="utf-8")
    assert run.artifacts == ("inside", "report") and find_damaged_files(run.path) == []
    with pytest.raises(ConfigError, match="No artifact is to be made"):
        write_report(run, "none")


def test_a_training_resumed_makes_what_it_was_asked_for(run: Run):
    for name in ("SHA256SUMS", "run.json"):
        (run.path / name).unlink()
    assert load_request(run.path).artifacts == ()
    resumed = resume(run)
    assert resumed.state == "finished" and resumed.artifacts == ()


def test_a_drawing_that_fails_costs_its_artifact_alone(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told = Lines()

    def has_no_fonts(*given: object) -> None:
        raise RuntimeError("no fonts\nhere")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "draw_risk_coverage_curve", has_no_fonts)
        patch.setattr(evaluate.plots, "draw_confusion_matrix", has_no_fonts)
        run = train(photos, runs=tmp_path, name="r", artifacts=["plots", "report"], progress=told, **QUICK)
    assert run.state == "finished" and find_damaged_files(run.path) == []
    assert run.missing_artifacts == ("plots",) and run.artifacts == ("report",)
    assert not (run.path / "plots").exists(), "the first plot was drawn"
    said = f"The artifact plots is missing: RuntimeError: no fonts. To make it: striate report {run.path} --artifacts "
    assert f"{said}plots" in told.lines
    write_report(run, "plots")
    assert run.artifacts == ("plots", "report") and find_damaged_files(run.path) == []


def test_a_disk_without_room_costs_the_artifact_alone(run: Run, monkeypatch: pytest.MonkeyPatch):
    def is_full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "save_report_markdown", is_full)
        with pytest.raises(
            RunError, match=r"report \(No space left on device\).*Try: striate report .* --artifacts report"
        ):
            write_report(run, "inside,report")
    assert run.artifacts == ("inside",) and find_damaged_files(run.path) == []
    assert not (run.path / "report.html").exists(), "half of the artifact"
    assert not list(run.path.rglob("*.tmp"))


def test_an_artifact_made_anew_is_kept_when_that_fails(complete: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    copy = Run(shutil.copytree(complete.path, tmp_path / "r"))

    def fails(*given: object) -> None:
        raise RuntimeError("no fonts")

    monkeypatch.setattr(evaluate, "save_report_markdown", fails)
    with pytest.raises(RunError, match="Not every artifact could be made"):
        write_report(copy, "report")
    assert contents(copy) == contents(complete)


@pytest.mark.parametrize("name", sorted(path.name for path in FORMATS.iterdir()))
def test_a_run_of_an_older_format_gets_its_artifacts(name, tmp_path):
    run = Run(shutil.copytree(FORMATS / name, tmp_path / name))
    missing = (
        [] if name == "run-1" else [one.name for one in find_damaged_files(run.path)]
    )  # pages and plots are not kept here
    write_report(run, "report")
    assert run.artifacts == ("report",)
    if name != "run-1":  # which kept no checksums, nor what it was asked to do
        assert [one.name for one in find_damaged_files(run.path)] == [
            one for one in missing if one not in ARTIFACTS["report"]
        ]
        assert load_request(run.path).artifacts == tuple(ARTIFACTS)


def test_the_command_makes_them_and_says_where_they_are(run: Run, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(run.path), "--artifacts", "report", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "run": str(run.path),
        "files": [str(run.path / "report.html"), str(run.path / "report.md")],
    }


def test_a_run_that_cannot_be_reported_is_refused_in_one_line(
    run: Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def refused(*words: str | Path) -> str:
        assert main(["report", *map(str, words)]) == 2
        shown = capsys.readouterr()
        assert shown.out == "" and "Traceback" not in shown.err and shown.err.count("\n") == 1, shown.err
        return shown.err

    assert "There is no such run" in refused(tmp_path / "nothing")
    moved = shutil.copytree(photos, tmp_path / "moved")
    (moved / "across" / "across 1.jpg").rename(moved / "across" / "another.jpg")
    for name in ("slanting", "upright"):
        shutil.rmtree(moved / name)
    assert "test images of r are gone" in refused(run.path, moved)
    exported = shutil.copytree(run.path / "classifier", tmp_path / "exported")
    assert "classifier without the run" in refused(exported)
    (tmp_path / "classifier.onnx").write_bytes(b"")
    assert "classifier without the run" in refused(tmp_path / "classifier.onnx")
    whole = (run.path / "predictions.npy").read_bytes()
    (run.path / "predictions.npy").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "predictions.npy is damaged" in refused(run.path)
    (run.path / "run.json").unlink()
    said = refused(run.path)
    assert "is unfinished" in said and f"striate train --resume {run.path}" in said
    assert run.artifacts == ()


def test_a_failed_run_is_refused_with_its_reason(run: Run):
    with rewrite_files(run.path, "run.json"):
        about = json.loads((run.path / "run.json").read_text())
        write_json(run.path / "run.json", {**about, "state": "failed", "reason": "diverged: at step 3"})
    with pytest.raises(RunError, match=r"failed, so it was never measured\. Received: diverged: at step 3"):
        write_report(run)


def test_images_handed_over_in_python_are_asked_for(run: Run, photos: Path):
    with rewrite_files(run.path, "run.json"):
        about = json.loads((run.path / "run.json").read_text())
        write_json(run.path / "run.json", {**about, "data": {**about["data"], "source": None}})
    with pytest.raises(DataError, match=r"handed over in Python.*data=the same images"):
        write_report(run, "plots")
    write_report(run, "plots", data=load_images(photos))
    assert run.artifacts == ("plots",)
    assert report.reason_of(OSError("gone")) == "gone"

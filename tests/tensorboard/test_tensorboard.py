"""TensorBoard itself, started by `striate tensorboard` and asked over HTTP, against what the runs' folders say."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from striate.cli import main
from striate.explain.embeddings import compute_embeddings
from striate.models.architecture import build_model, build_without_weights
from striate.models.registry import ARCHITECTURES
from striate.tensorboard.board import build_graph_def
from striate.tensorboard.events import EventFileWriter

PATIENCE = 120  # seconds
# Not `urlopen`, which keeps for the whole process the proxies that another test had set at its first call.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Served:
    """A TensorBoard that answers, and the runs it shows."""

    def __init__(self, root: Path) -> None:
        command = [sys.executable, "-m", "striate", "tensorboard", "--runs", str(root), "--port", "0", "--json"]
        # A proxy that is not there: what answers on this computer is asked without one.
        env = {**os.environ, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=env)
        text = ""
        while not text.endswith("}\n"):  # one JSON document
            line = self.process.stdout.readline()
            assert line, "it ended before it answered"
            text += line
        self.said = json.loads(text)

    def wait_for(self, runs: set[str]) -> None:
        """Returns once TensorBoard has read all these runs."""
        until, told = time.monotonic() + PATIENCE, None
        while time.monotonic() < until:
            assert self.process.poll() is None, "it ended"
            try:
                told = self.get("runs"), self.get("plugin/graphs/info")
                if runs <= set(told[0]) and len(told[1]) == 2:
                    return
            except OSError as error:
                told = error
            time.sleep(0.3)
        raise AssertionError(f"TensorBoard does not show all: {told}")

    def end(self) -> int:
        """Ends TensorBoard as Ctrl-C does, or, if it does not end, at once; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = self.process.wait()
        self.process.stdout.close()
        return code

    def raw(self, path: str, **asked: Any) -> bytes:
        """Returns what TensorBoard answers."""
        address = f"{self.said['address']}data/{path}?{urllib.parse.urlencode(asked)}"
        with DIRECT.open(address, timeout=30) as prediction:
            return prediction.read()

    def get(self, path: str, **asked: Any) -> Any:
        """Returns the same, read as JSON."""
        return json.loads(self.raw(path, **asked))


@pytest.fixture(scope="module")
def served(digits_run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The run as it was trained, and a copy of it from before there was TensorBoard."""
    root = tmp_path_factory.mktemp("shown")
    for name in ("live", "later"):
        shutil.copytree(digits_run.path, root / name)
    shutil.rmtree(root / "later" / "tensorboard")
    expected = {f"{name}/tensorboard/{part}" for name in ("live", "later") for part in ("train", "test")}
    found = Served(root)
    try:
        found.wait_for(expected)
    except AssertionError:
        found.end()
        raise
    yield found
    assert found.end() == 0


def test_a_run_holds_what_tensorboard_reads_unless_it_is_turned_off(digits_run, tmp_path: Path):
    import striate as st

    folder = digits_run.path / "tensorboard"
    files = {path.relative_to(folder).as_posix().split(".tfevents")[0] for path in folder.rglob("*") if path.is_file()}
    assert files == {
        *("train/events.out", "validation/events.out", "test/events.out"),
        *("test/metadata.tsv", "test/projector_config.pbtxt", "test/sprite.png", "test/vectors.tsv"),
    }
    assert os.environ["STRIATE_TENSORBOARD"] == "off"
    run = st.train("digits", architecture="mlp", epochs=1, artifacts="none", runs=tmp_path, name="off")
    assert not (run.path / "tensorboard").exists()


@pytest.mark.backend
@pytest.mark.parametrize("name", ["live", "later"])
def test_the_curves_are_those_of_the_history(served: Served, digits_run, name: str):
    rows = digits_run.history.epochs
    for part, tag, expected in (
        ("train", "loss", [row.loss for row in rows]),
        ("train", "learning_rate", [row.learning_rate for row in rows]),
        ("validation", "loss", [row.val_loss for row in rows]),
        ("validation", "accuracy", [row.val_accuracy for row in rows]),
    ):
        told = served.get("plugin/scalars/scalars", run=f"{name}/tensorboard/{part}", tag=tag)
        assert [step for _, step, _ in told] == [1, 2, 3, 4]
        assert [value for _, _, value in told] == pytest.approx(expected, rel=1e-5)  # the history keeps six digits


@pytest.mark.backend
def test_the_graph_has_every_layer(served: Served, digits_run):
    text = served.raw("plugin/graphs/graph", run="live/tensorboard/test", conceptual="false").decode()
    names = {layer.name for layer in digits_run.classifier.model.layers}
    assert all(f'name: "{name}"' in text for name in names)
    assert 'input: "embedding"' in text


@pytest.mark.backend
def test_weights_are_told_for_each_epoch(served: Served, digits_run):
    tag = "weights/conv/kernel"
    live = served.get("plugin/histograms/histograms", run="live/tensorboard/train", tag=tag)
    assert [step for _, step, _ in live] == [1, 2, 3, 4]
    later = served.get("plugin/histograms/histograms", run="later/tensorboard/train", tag=tag)
    (_, step, bins) = later[0]
    kernel = digits_run.classifier.model.get_layer("conv").get_weights()[0]
    assert step == digits_run.history.best_epoch
    assert sum(count for _, _, count in bins) == pytest.approx(kernel.size)
    assert min(left for left, _, _ in bins) == pytest.approx(kernel.min(), rel=1e-5)
    assert [bins for _, _, bins in live][step - 1] == pytest.approx(np.array(bins), rel=1e-4)


@pytest.mark.backend
@pytest.mark.parametrize("name", ["live", "later"])
def test_images_and_confusion_are_shown(served: Served, name: str):
    tags = served.get("plugin/images/tags")[f"{name}/tensorboard/test"]
    assert {f"images/{digit}" for digit in range(10)} | {"confusion"} == set(tags)
    for tag in ("images/3", "confusion"):
        (row,) = served.get("plugin/images/images", run=f"{name}/tensorboard/test", tag=tag, sample=0)
        content = served.raw("plugin/images/individualImage", **dict(urllib.parse.parse_qsl(row["query"])))
        with Image.open(io.BytesIO(content)) as image:
            assert len(np.unique(np.asarray(image))) > 5


@pytest.mark.backend
@pytest.mark.parametrize("name", ["live", "later"])
def test_the_projector_has_the_embedding(served: Served, digits_run, name: str):
    run = f"{name}/tensorboard/test"
    (about,) = served.get("plugin/projector/info", run=run)["embeddings"]
    tensor = served.raw("plugin/projector/tensor", run=run, name=about["tensorName"])
    vectors = np.frombuffer(tensor, np.float32).reshape(-1, 128)
    table = served.raw("plugin/projector/metadata", run=run, name=about["tensorName"]).decode().splitlines()
    assert table[0].split("\t") == ["class", "predicted", "correct", "image"]
    assert len(vectors) == len(table) - 1 == digits_run.report.n
    rows = [line.split("\t") for line in table[1:]]
    assert sum(right == "yes" for _, _, right, _ in rows) == round(digits_run.report.accuracy * len(rows))
    with Image.open(
        io.BytesIO(served.raw("plugin/projector/sprite_image", run=run, name=about["tensorName"]))
    ) as sheet:
        assert sheet.size[0] == sheet.size[1] >= 48 * np.sqrt(len(rows))
    from striate.data.loaders.load import load_images

    images = load_images("digits")
    key = rows[5][3]
    pixels = digits_run.classifier.preprocessing(images.get_source(images.keys.tolist().index(key)))
    own = compute_embeddings(digits_run.classifier.model, pixels[None])[0]
    assert vectors[5] == pytest.approx(own, abs=1e-4)


@pytest.mark.backend
def test_it_predictions_on_this_computer_only(served: Served):
    port = urllib.parse.urlsplit(served.said["address"]).port
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [row[1] for row in listening if row[3] == "0A" and int(row[1].split(":")[1], 16) == port] == [
        f"0100007F:{port:04X}"
    ]


def test_a_port_that_is_taken_is_told(digits_run, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main(["tensorboard", str(digits_run.path), "--port", port, "--quiet"]) == 2
    assert "--port 0" in capsys.readouterr().err


def test_without_tensorboard_it_says_how_to_get_it(digits_run, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("striate.tensorboard.events.is_installed", lambda: False)
    assert main(["tensorboard", str(digits_run.path)]) == 2
    assert "pip install 'striate[tensorboard]'" in capsys.readouterr().err


def test_without_runs_it_says_so(tmp_path: Path, capsys):
    assert main(["tensorboard", "--runs", str(tmp_path / "none")]) == 2
    assert "no run" in capsys.readouterr().err


def test_a_full_disk_ends_the_watching_and_not_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import striate as st

    def full(self: EventFileWriter, *given: Any, **named: Any) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.delenv("STRIATE_TENSORBOARD")
    monkeypatch.setattr(EventFileWriter, "add_scalar", full)
    run = st.train("digits", architecture="mlp", epochs=1, runs=tmp_path, name="run")
    assert run.state == "finished"


@pytest.mark.parametrize("name", ["resnet20", "googlenet"])
def test_a_model_that_branches_keeps_its_edges(name: str):
    model = build_without_weights(ARCHITECTURES[name], (32, 32, 3), 10)
    nodes = {node.name: node for node in build_graph_def(model).node}
    assert len(nodes) == len(model.layers)
    assert all(source in nodes for node in nodes.values() for source in node.input)
    merges = [node for node in nodes.values() if len(node.input) > 1]
    assert len(merges) == 9  # additions of ResNet-20, modules of GoogLeNet
    if name == "resnet20":
        assert list(nodes["stage1/block1/add"].input) == ["stage1/block1/bn2", "stem_relu"]


def test_a_nested_model_is_a_group():
    from striate.system.backend import keras

    inner = build_model(ARCHITECTURES["lenet"], (28, 28, 1), 10)
    inner = keras.Model(inner.input, inner.get_layer("features").output, name="backbone")
    image = keras.Input((28, 28, 1))
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(keras.layers.Flatten(name="flat")(inner(image))))
    nodes = {node.name: list(node.input) for node in build_graph_def(model).node}
    assert nodes["backbone/c3"] == ["backbone/s2"]
    assert nodes["flat"] == ["backbone/features"]
    assert nodes["backbone/rescale"] == ["images"]

"""What is recorded of a training, and what the page is given."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import striate as st
from striate.cli import main
from striate.data.decoded_cache import DecodedSet
from striate.data.loaders.arrays import from_arrays
from striate.errors import RunError
from striate.explain.training_replay import MAX_FRAMES, REPLAY_FILE, ReplayRecorder, load_replay
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.training.history import EpochMetrics


def epoch(number: int) -> EpochMetrics:
    """Returns an epoch of no interest."""
    return EpochMetrics(number, 1.0, 0.5, 1.0, 0.5, 1e-3, 1.0, 1.0, 1.0)


@pytest.mark.backend
def test_the_last_frame_is_what_the_model_predictions(digits_run):
    found = load_replay(digits_run.path / REPLAY_FILE)
    assert found.epochs.tolist() == [1, 2, 3, 4]
    assert found.probabilities.shape == (4, 12, 10)
    assert found.probabilities.sum(axis=2) == pytest.approx(np.ones((4, 12)), abs=1e-5)
    kept = digits_run.history.best_epoch - 1
    logits = digits_run.classifier.predict_log_probabilities(found.pixels) * digits_run.classifier.temperature
    fractions = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert found.probabilities[kept] == pytest.approx(
        fractions / fractions.sum(axis=1, keepdims=True), abs=0.02
    )  # learned in fewer digits
    kernel = digits_run.classifier.model.get_layer("conv").get_weights()[0]
    assert found.filters[kept] == pytest.approx(kernel.transpose(3, 0, 1, 2), abs=1e-6)
    assert np.abs(found.filters[3] - found.filters[0]).max() > 1e-4  # it learned
    assert sorted(found.labels[:10].tolist()) == list(range(10))  # some of every class
    assert found.points.shape == (4, len(found.point_labels), 2)
    spread = [np.ptp(one, axis=0).min() for one in found.points]
    assert min(spread) > 0


def test_a_training_is_the_same_recorded_or_not(digits_run, tmp_path: Path):
    settings = {"architecture": "cnn-small", "epochs": 4, "batch": 16, "precision": "float32", "artifacts": "none"}
    other = st.train("digits", runs=tmp_path, name="plain", **settings)
    assert not (other.path / REPLAY_FILE).exists()
    assert [row.val_loss for row in other.history.epochs] == pytest.approx(
        [row.val_loss for row in digits_run.history.epochs], rel=1e-5
    )


def test_of_many_epochs_every_second_is_kept_and_the_last_always():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (24, 8, 8, 1), dtype=np.uint8)
    images = from_arrays(pixels, np.arange(24) % 3, classes=("a", "b", "c"))
    recorder = ReplayRecorder(DecodedSet(images, pixels, {}))
    model = build_model(ARCHITECTURES["mlp"], (8, 8, 1), 3)
    for number in range(1, MAX_FRAMES + 8):
        recorder(model, epoch(number))
    found = recorder.build_replay()
    assert len(found.epochs) <= MAX_FRAMES
    assert found.epochs[-1] == MAX_FRAMES + 7
    assert (found.epochs[:-1] % 2 == 0).all()
    assert found.filters.shape[1] == 0  # a model without a convolution


def test_the_command_writes_the_page_or_says_what_is_missing(digits_run, tmp_path: Path, capsys):
    page = tmp_path / "replay.html"
    assert main(["replay", str(digits_run.path), "--html", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == [1, 2, 3, 4]
    assert page.stat().st_size > 20_000
    plain = tmp_path / "plain"
    shutil.copytree(digits_run.path, plain)
    (plain / REPLAY_FILE).unlink()
    assert main(["replay", str(plain), "--html", str(page)]) == 2
    assert "--replay" in capsys.readouterr().err


def test_a_damaged_recording_is_told(digits_run, tmp_path: Path):
    whole = (digits_run.path / REPLAY_FILE).read_bytes()
    for number, content in enumerate((b"", whole[:100], whole[: len(whole) // 2], b"\xff" * 64)):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(content)
        with pytest.raises(RunError, match="damaged"):
            load_replay(path)

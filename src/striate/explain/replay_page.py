"""A training on a slider: one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.errors import printable
from striate.explain.replay import Replay
from striate.history import Epoch
from striate.pages import render as pages

TINY = 64  # pixels: smaller pictures are shown with hard edges


def save_replay_page(path: Path, name: str, replay: Replay, epochs: Sequence[Epoch], kept: int) -> None:
    """Writes the page, whole or not at all.

    Args:
        path: of the page.
        name: the run's.
        replay: what was recorded.
        epochs: the training's history.
        kept: number of the epoch whose weights were kept.
    """
    low, high = replay.places.min(axis=(0, 1)), replay.places.max(axis=(0, 1))
    half = float((high - low).max()) / 2 or 1.0
    content = {
        "classes": [printable(one) for one in replay.classes],
        "epochs": replay.epochs.tolist(),
        "answers": np.round(replay.answers, 4).tolist(),
        "filters": np.round(np.nan_to_num(replay.filters), 4).tolist(),
        "places": np.round((replay.places - (low + high) / 2) / half, 4).tolist(),
        "placed": replay.placed.tolist(),
        "pictures": [
            {"name": printable(Path(name).name or name), "label": int(label), "src": pages.picture(one)}
            for name, label, one in zip(replay.names, replay.labels, replay.pixels, strict=True)
        ],
        "tiny": max(replay.pixels.shape[1:3]) <= TINY,
        "history": [
            [one.epoch, one.loss, one.val_loss, one.accuracy, one.val_accuracy]
            for one in epochs
            if np.isfinite([one.loss, one.val_loss]).all()
        ],
        "kept": kept,
    }
    pages.save_page(
        path,
        "striate.explain",
        "replay.html.j2",
        name=printable(name),
        frames=len(replay.epochs),
        pictures=len(replay.placed),
        data=pages.data(content),
        script=pages.script("striate.explain", "el.js", "classes.js", "replay.js"),
    )

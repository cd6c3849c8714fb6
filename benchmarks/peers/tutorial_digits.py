"""The digits tutorial's own way: one convolution of 32 5×5 filters, pooling, dropout, 128 units; Adam, batches of 200.

    python benchmarks/peers/tutorial_digits.py FOLDER [--epochs N]

Written after the tutorial's description. FOLDER holds the four MNIST files as they were published. The test pictures
are looked at after every epoch, as the tutorial does; `seconds` is what the training had taken by then, without that.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from keras import Input, Sequential, callbacks, layers, utils

BATCH = 200


def idx(path: Path, header: int) -> Any:
    """Returns the bytes of an IDX file after its header."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8)[header:]


def pictures(folder: Path, name: str) -> tuple[Any, Any]:
    """Returns float32 pictures (n, 28, 28, 1) in 0..1 and one-hot labels."""
    pixels = idx(folder / f"{name}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    return pixels.astype("float32") / 255, utils.to_categorical(idx(folder / f"{name}-labels-idx1-ubyte.gz", 8))


class Clock(callbacks.Callback):  # type: ignore[misc]
    """Adds up the seconds of training, and notes the test accuracy after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.epochs: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ended = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds += self.ended - self.began
        self.epochs.append({"seconds": self.seconds, "accuracy": float(logs["val_accuracy"])})


def main() -> None:
    """Prints what it reached after each epoch, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    train, test = (pictures(options.folder, name) for name in ("train", "t10k"))
    model = Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(32, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    clock = Clock()
    model.fit(*train, validation_data=test, batch_size=BATCH, epochs=options.epochs, callbacks=[clock], verbose=0)
    print(json.dumps({"epochs": clock.epochs, "accuracy": clock.epochs[-1]["accuracy"], "n": len(test[0])}))


if __name__ == "__main__":
    main()

"""The digits tutorial's own way: one convolution of 32 5×5 filters, pooling, dropout, 128 units; Adam, batches of 200.

    python benchmarks/peers/tutorial_digits.py FOLDER [--epochs N]

Written after the tutorial's description. FOLDER holds the four MNIST files as they were published. The test images
are looked at after every epoch, as the tutorial does; `seconds` is what the training had taken by then, without that.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from clock import Clock
from idx import pictures
from keras import Input, Sequential, layers

BATCH = 200


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

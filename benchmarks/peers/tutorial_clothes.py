"""The clothes tutorial's own way: three convolutions, each pooled and followed by dropout, 128 units; 20 epochs of Adam
on four fifths of the training images, the rest looked at after every epoch.

    python benchmarks/peers/tutorial_clothes.py FOLDER [--epochs N]

Written after the tutorial's description. FOLDER holds the four Fashion-MNIST files as they were published. `seconds` is
what the training had taken after an epoch, `accuracy` what the test images say then: the tutorial looks at them once,
at its end; here it is looked at after every epoch, untimed, so that one can see when an accuracy is reached.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from clock import Clock
from idx import pictures
from keras import Input, Sequential, layers

BATCH = 64


def main() -> None:
    """Prints what it reached after each epoch, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    (pixels, labels), test = (pictures(options.folder, name) for name in ("train", "t10k"))
    kept = len(pixels) * 4 // 5
    blocks = []
    for filters, rate in ((32, 0.25), (64, 0.25), (128, 0.4)):
        blocks += [
            layers.Conv2D(filters, 3, padding="same"),
            layers.LeakyReLU(negative_slope=0.1),
            layers.MaxPooling2D(2, padding="same"),
            layers.Dropout(rate),
        ]
    head = [layers.Flatten(), layers.Dense(128), layers.LeakyReLU(negative_slope=0.1), layers.Dropout(0.3)]
    model = Sequential([Input((28, 28, 1)), *blocks, *head, layers.Dense(10, activation="softmax")])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    clock = Clock()
    model.fit(
        pixels[:kept],
        labels[:kept],
        validation_data=test,
        batch_size=BATCH,
        epochs=options.epochs,
        callbacks=[clock],
        verbose=0,
    )
    print(json.dumps({"epochs": clock.epochs, "accuracy": clock.epochs[-1]["accuracy"], "n": len(test[0])}))


if __name__ == "__main__":
    main()

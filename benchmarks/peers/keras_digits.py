"""scikit-learn's digits by a bare Keras script: what somebody writes who knows Keras, and no more.

    python benchmarks/peers/keras_digits.py [--epochs N]

The model, the batch, the optimizer and the sizes of training, validation, and test set are those that
`striate train digits` chooses; there are no random changes to the images, no report, and no files. It ends with
`evaluate` on the test set.
"""

from __future__ import annotations

import argparse
import json

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BATCH = 32
VALIDATION, TEST = 179, 359


def main() -> None:
    """Prints what it reached, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    x, x_test, y, y_test = train_test_split(
        images, digits.target, test_size=TEST, stratify=digits.target, random_state=0
    )
    x, x_validation, y, y_validation = train_test_split(x, y, test_size=VALIDATION, stratify=y, random_state=0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.15),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )
    steps = len(x) // BATCH * options.epochs
    warmup = round(0.1 * steps)
    rate = keras.optimizers.schedules.CosineDecay(8e-5, steps - warmup, warmup_target=2e-3, warmup_steps=warmup)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x, y, batch_size=BATCH, epochs=options.epochs, validation_data=(x_validation, y_validation), verbose=0)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(json.dumps({"accuracy": accuracy, "loss": loss, "n": len(x_test), "epochs": options.epochs}))


if __name__ == "__main__":
    main()

"""The built-in digits by a plain Keras script: the network, the splits' sizes, the batch and the epochs of
`striate train digits`, without augmentation and without a report.

    python benchmarks/peers/keras_digits.py [--epochs N]
"""

from __future__ import annotations

import argparse
import json

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BATCH = 32


def main() -> None:
    """Prints the test accuracy as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    digits = load_digits()
    images, labels = digits.images[..., None].astype("float32") / 16, digits.target
    images, test_images, labels, test_labels = train_test_split(
        images, labels, test_size=359, stratify=labels, random_state=0
    )
    images, held_out, labels, held_out_labels = train_test_split(
        images, labels, test_size=180, stratify=labels, random_state=0
    )
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
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
    model.compile(
        optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    model.fit(
        images,
        labels,
        validation_data=(held_out, held_out_labels),
        batch_size=BATCH,
        epochs=options.epochs,
        verbose=0,
    )
    accuracy = model.evaluate(test_images, test_labels, batch_size=BATCH, verbose=0, return_dict=True)["accuracy"]
    print(json.dumps({"accuracy": accuracy, "n": len(test_labels), "epochs": options.epochs}))


if __name__ == "__main__":
    main()

"""The cats-and-dogs tutorial's own way: 64×64 pixels, two convolutions, Keras' ImageDataGenerator, ten epochs.

    python benchmarks/peers/tutorial_cats_dogs.py FOLDER

Written after the tutorial's description. It is spared what would only slow it down: it looks at the test images once
at its end, not after every epoch.
`seconds` is what the training had taken after an epoch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from clock import Clock
from keras import Input, Sequential, layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator

SIDE, BATCH, EPOCHS = 64, 32, 10


def main(folder: Path) -> None:
    """Prints what it reached, as JSON."""
    changed = ImageDataGenerator(rescale=1 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True)
    plain = ImageDataGenerator(rescale=1 / 255)
    options = {"target_size": (SIDE, SIDE), "batch_size": BATCH, "class_mode": "binary"}
    train = changed.flow_from_directory(folder / "training_set", **options)
    test = plain.flow_from_directory(folder / "test_set", **options, shuffle=False)
    model = Sequential(
        [
            Input((SIDE, SIDE, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    clock = Clock()
    model.fit(train, epochs=EPOCHS, callbacks=[clock], verbose=0)
    _, accuracy = model.evaluate(test, verbose=0)
    clock.epochs[-1]["accuracy"] = accuracy
    print(json.dumps({"epochs": clock.epochs, "accuracy": accuracy, "n": len(test.filenames)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

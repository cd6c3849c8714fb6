"""Keras' own CIFAR-10 example: ResNet-20, Adam in batches of 32, images shifted and mirrored, for 200 epochs.

    python benchmarks/peers/keras_resnet20.py FOLDER [--minutes N]

Written after the example's description: kernels decay with 1e-4 in the loss, the mean image is taken off, the rate is
1e-3 until epoch 80. FOLDER holds train.parquet and test.parquet with encoded images. After `--minutes` of training it
ends; `seconds` is what the training had taken after an epoch, without looking at the test images.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from clock import Clock
from keras import Input, Model, callbacks, layers, optimizers, regularizers, utils
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image

BATCH, EPOCHS = 32, 200


def pictures(path: Path) -> tuple[Any, Any]:
    """Returns float32 images (n, 32, 32, 3) in 0..1 and one-hot labels."""
    table = pq.read_table(path)
    decoded = [np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB")) for row in table["image"].to_pylist()]
    return np.stack(decoded).astype("float32") / 255, utils.to_categorical(table["label"].to_numpy())


def _layer(x: Any, filters: int, *, side: int = 3, strides: int = 1, normalised: bool = True, ends: bool = True) -> Any:
    decay = regularizers.L2(1e-4)
    x = layers.Conv2D(filters, side, strides, padding="same", kernel_initializer="he_normal", kernel_regularizer=decay)(
        x
    )
    x = layers.BatchNormalization()(x) if normalised else x
    return layers.Activation("relu")(x) if ends else x


def resnet20() -> Any:
    """Returns three stages of three blocks; a 1×1 convolution takes the shortcut where the width changes."""
    pixels = Input((32, 32, 3))
    x = _layer(pixels, 16)
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage and not block else 1
            y = _layer(_layer(x, filters, strides=strides), filters, ends=False)
            if strides == 2:
                x = _layer(x, filters, side=1, strides=2, normalised=False, ends=False)
            x = layers.Activation("relu")(layers.add([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return Model(pixels, layers.Dense(10, activation="softmax", kernel_initializer="he_normal")(x))


def rate(epoch: int) -> float:
    """Returns the example's learning rate in an epoch, from 0."""
    falls = ((180, 0.5e-3), (160, 1e-3), (120, 1e-2), (80, 1e-1))
    return 1e-3 * next((factor for since, factor in falls if epoch > since), 1.0)


def main() -> None:
    """Prints what it reached after each epoch, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    options = parser.parse_args()
    (pixels, labels), (test, expected) = (pictures(options.folder / f"{name}.parquet") for name in ("train", "test"))
    mean = pixels.mean(axis=0)
    changed = ImageDataGenerator(width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True)
    model = resnet20()
    model.compile(optimizer=optimizers.Adam(rate(0)), loss="categorical_crossentropy", metrics=["accuracy"])
    clock = Clock(60 * options.minutes)
    model.fit(
        changed.flow(pixels - mean, labels, batch_size=BATCH),
        validation_data=(test - mean, expected),
        epochs=EPOCHS,
        callbacks=[callbacks.LearningRateScheduler(rate), clock],
        verbose=0,
    )
    print(json.dumps({"epochs": clock.epochs, "accuracy": clock.epochs[-1]["accuracy"], "n": len(test)}))


if __name__ == "__main__":
    main()

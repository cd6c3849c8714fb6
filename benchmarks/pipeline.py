"""Images from a folder to batches, without a model: Striate, Keras' and torchvision's own ways.

    python benchmarks/pipeline.py DATA [--rounds N]

DATA holds cats_dogs/training_set, photographs as JPEG. Every side brings them to 64×64, mirrors every second one at
random and shuffles. Counted are images a second of the first pass, from listing the folder on, and of the second:
Striate decodes once, the others on every pass; its first pass hands images on only when all are decoded. Each
measurement is a process of its own, in turns. The files are in the system's cache for all: one pass
over them is made before. torchvision is left out where it is not installed (it is none of Striate's dependencies).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from commands import timed
from evidence import publish, spread

SIDE, BATCH = 64, 64

BOXES = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
OPERATORS = ("nms", "qnms", "qroi_align", *BOXES, *(f"_{name}_backward" for name in BOXES))
"""What torchvision compiles for finding objects, unused here. Its usual wheels are compiled for CUDA; beside a PyTorch
for processors they can be imported once these names are known."""


def striate(folder: Path) -> list[float]:
    """Returns seconds of the first pass and of the second."""
    from striate.data.augment import Augment
    from striate.data.batches import Batches
    from striate.data.decoded_cache import decode_all
    from striate.data.loaders.load import load_images
    from striate.data.preprocessing import Preprocessing
    from striate.training.data_loader import PrefetchDataset

    def made() -> Callable[[int], Iterable[Any]]:
        decoded = decode_all(load_images(folder), Preprocessing(SIDE, SIDE, 3))
        batches = Batches(decoded.pixels, decoded.images.labels, 2, BATCH, shuffle_seed=0, augment=Augment(flip=True))
        feed = PrefetchDataset(batches)

        def one_pass(epoch: int) -> Iterable[Any]:
            feed.set_epoch(epoch)
            return (batch for group in feed.iter_groups(1) for batch in group)

        return one_pass

    return _passes(made)


def keras(folder: Path) -> list[float]:
    """Returns seconds of two passes of `image_dataset_from_directory`, prefetched."""
    import keras as library
    import tensorflow as tf

    def made() -> Callable[[int], Iterable[Any]]:
        load = library.utils.image_dataset_from_directory
        data = load(folder, image_size=(SIDE, SIDE), batch_size=BATCH, verbose=False)
        flip = library.layers.RandomFlip("horizontal")
        ahead = data.map(lambda x, y: (flip(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
        ahead = ahead.prefetch(tf.data.AUTOTUNE)
        return lambda epoch: ahead

    return _passes(made)


def torchvision(folder: Path) -> list[float]:
    """Returns seconds of two passes of an `ImageFolder` through a `DataLoader` with two processes."""
    import torch

    operators = torch.library.Library("torchvision", "DEF")
    if not torch.version.cuda:
        for name in OPERATORS:
            operators.define(f"{name}(Tensor x) -> Tensor")
    from torchvision import datasets, transforms

    def made() -> Callable[[int], Iterable[Any]]:
        change = transforms.Compose(
            [transforms.Resize((SIDE, SIDE)), transforms.RandomHorizontalFlip(), transforms.PILToTensor()]
        )
        images = datasets.ImageFolder(str(folder), change)
        loader = torch.utils.data.DataLoader(images, BATCH, shuffle=True, num_workers=2, persistent_workers=True)
        return lambda epoch: loader

    return _passes(made)


SIDES: dict[str, Callable[[Path], list[float]]] = {"striate": striate, "keras": keras, "torchvision": torchvision}


def _passes(made: Callable[[], Callable[[int], Iterable[Any]]]) -> list[float]:
    """Returns the seconds of two passes, making what passes them counted with the first; imports are over."""
    marks = [time.perf_counter()]
    data = made()
    for epoch in range(2):
        for _ in data(epoch):
            pass
        marks.append(time.perf_counter())
    return [end - began for began, end in pairwise(marks)]


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", choices=SIDES, help="one measurement, as JSON (used inside)")
    options = parser.parse_args()
    folder = options.data / "cats_dogs" / "training_set"
    if options.one:
        print(json.dumps({"seconds": SIDES[options.one](folder)}))
        return
    images = sum(len(path.read_bytes()) > 0 for path in folder.rglob("*.jpg"))
    sides = [side for side in SIDES if side == "striate" or importlib.util.find_spec(side)]
    found: dict[str, list[list[float]]] = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, rounds in found.items():
            _, said = timed([sys.executable, __file__, str(options.data), "--one", side], {})
            rounds.append([images / seconds for seconds in said["seconds"]])
        print(json.dumps({side: rounds[-1] for side, rounds in found.items()}), file=sys.stderr, flush=True)
    passes = ("first", "second")
    publish(
        {
            "benchmark": "pipeline",
            "pictures": images,
            "side": SIDE,
            "images_per_second": {
                side: {
                    name: round(statistics.median(one[number] for one in rounds)) for number, name in enumerate(passes)
                }
                for side, rounds in found.items()
            },
            "times_as_fast": {
                side: {
                    name: spread(
                        [own[number] / other[number] for own, other in zip(found["striate"], rounds, strict=True)]
                    )
                    for number, name in enumerate(passes)
                }
                for side, rounds in found.items()
                if side != "striate"
            },
        }
    )


if __name__ == "__main__":
    main()

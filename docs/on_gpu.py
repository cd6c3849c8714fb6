"""The section on a training on a GPU."""

from __future__ import annotations

import textwrap
from typing import Any

from text import section, spread, table


def gpu_section(found: dict[str, Any]) -> list[str]:
    """Returns images a second beside PyTorch, and how far CIFAR-10 is from the record and why."""
    rows = []
    for batch, models in found["speed"].items():
        for name, one in models.items():
            speeds = one["images_per_second"]
            ratio = f"{one['times_as_fast']['median']:.2f}"
            rows.append((f"{name}, batches of {batch}", f"{speeds['pytorch']:,}", f"{speeds['striate']:,}", ratio))
    race, published = found["cifar10"], found["cifar10"]["published"]
    steps, training = race["steps_alone"]["median"], race["training"]["median"]
    first, steady = race["first_epoch"]["median"], race["steady_epoch"]["median"]
    accuracy, waiting = race["accuracy"], race["waiting"]["median"]
    record = published["seconds"]
    about = textwrap.wrap(
        f"CIFAR-10's lossy copy, {race['epochs']} epochs, {accuracy['n']} seeds: {accuracy['median']:.1%} "
        f"[{accuracy['min']:.1%}, {accuracy['max']:.1%}]. Steady, the steps of all epochs are {steps:.1f} s; the whole "
        f"training, with tracing and compiling, is {spread(race['training'], '{:.0f}')} s: its first epoch takes "
        f"{first:.1f} s, a later one {steady:.2f} s. The record's {record} s ({published['what']}; "
        f"{published['accuracy']:.0%} on the originals) are {steps / record:.1f} times as fast as our steps, "
        f"{training / record:.0f} times as fast as all of it. Why: images are changed on the processor, and the card "
        f"waits {waiting:.0%} of an epoch for them (there they never leave the card); Keras calls it once a step; "
        "and this was float32, since the measurement that chooses the arithmetic gave so large a card too little to do "
        "(mended since, not measured again). The accuracy is not comparable: JPEG took its share, and the recipe was "
        "made for batches of 128 on a processor.",
        width=120,
    )
    return section(
        f"On a GPU ({found['card']}, Keras on {found['backend'].upper()})",
        "gpu.py DATA",
        "Images a second, one round, each side in its best precision; PyTorch channels last, all data on the card:",
        table(("", "PyTorch", "Striate", "times as fast"), rows),
        about,
        f"    {race['train']}",
    )

"""The cats-and-dogs story: a folder of photographs, augmentation, two convolutions, and one new image.

    python examples/cats_and_dogs.py FOLDER [PICTURE]

FOLDER holds training_set/{cats,dogs} and test_set/{cats,dogs}, or just one folder per class; any number of classes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import striate as st
from striate.progress import LineProgress


def main(
    folder: Path, picture: Path | None = None, runs: Path = Path("runs"), epochs: int = 10, every: int = 1
) -> st.Prediction:
    """Returns what the trained model says of one new image; `every` = 20 takes every twentieth for training."""
    images = st.load_images(folder)
    splits = st.split(images.subset(range(0, len(images), every)))
    run = st.train(
        splits,
        architecture="cnn",
        recipe="classic",
        height=64,
        width=64,
        augment=st.Augment(flip=True, shear=12, zoom=0.2, border="edge"),
        epochs=epochs,
        allow_leaks=True,  # two cats of its test split are in its training split as well; the report counts without
        runs=runs,
        progress=LineProgress(),
    )
    low, high = run.report.interval
    print(f"Accuracy: {run.report.accuracy:.1%} of {run.report.n:,} test images, between {low:.1%} and {high:.1%}")

    if picture is None:
        source = splits.test.get_source(0)
        assert isinstance(source, Path)
        picture = source
    prediction = run.classifier.predict(picture)
    print(f"{picture.name}: {prediction}")
    return prediction


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)

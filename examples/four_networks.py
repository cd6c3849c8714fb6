"""Four models on the same digits: dense, convolutional, VGG and residual, by accuracy and by loss.

    python examples/four_networks.py     # downloads MNIST (12 MB) on first use; about ten minutes on two cores

The tutorial this follows shows each model's accuracy and loss on the test images, one after the other. Here they
stand side by side, trained on the same images for the same number of epochs. Stopped, it goes on where it was when
it is started again.
"""

from __future__ import annotations

from pathlib import Path

import striate as st
from striate.progress import LineProgress
from striate.reporting.figures import save_figure
from striate.studies.ladder_plot import accuracy_and_loss
from striate.studies.ladder_result import Ladder

NETWORKS = ("mlp", "cnn", "vgg-small", "resnet20")


def main(data_dir: Path | None = None, runs: Path = Path("runs"), epochs: int = 5, every: int = 1) -> Ladder:
    """Returns the four models' results; `every` = 50 takes every fiftieth image, for a quick look."""
    images = st.load_images("mnist", data_dir=data_dir)
    splits = st.split(images.subset(range(0, len(images), every)), seed=0)
    found = st.ladder(
        splits, rungs=NETWORKS, epochs=epochs, batch=128, runs=runs, name="four-networks", progress=LineProgress()
    )
    print("\nnetwork      year   test accuracy   test loss   seconds")
    for row in found.rows:
        if row.accuracy is None:
            print(f"{row.architecture:<12} {row.year}   {row.reason}")
        else:
            print(f"{row.architecture:<12} {row.year}   {row.accuracy:13.2%}   {row.loss:9.4f}   {row.seconds:7.0f}")
    for step in found.steps:
        print(f"{step.a} → {step.b}: {step.difference:+.2%}, {step.verdict}")
    title = f"Four models on {len(splits.test):,} test images of MNIST"
    figure = accuracy_and_loss(found.points(), title=title, note="Bars: 95 % intervals (Wilson).")
    save_figure(figure, runs / "four-networks.png")
    print(f"Accuracy and loss side by side: {runs / 'four-networks.png'}")
    return found


if __name__ == "__main__":
    main()

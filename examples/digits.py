"""The digits story: a small convolutional model on MNIST, a line per epoch, and the final accuracy.

    python examples/digits.py            # downloads MNIST (12 MB) on first use

The tutorial this follows prints ten lines and ends at 98.80 %.
"""

from __future__ import annotations

from pathlib import Path

import striate as st
from striate.progress import LineProgress


def main(data_dir: Path | None = None, runs: Path = Path("runs"), epochs: int = 10, every: int = 1) -> st.Run:
    """Returns the run; `every` = 50 takes every fiftieth image, for a quick look."""
    images = st.load_images("mnist", data_dir=data_dir)
    images = images.subset(range(0, len(images), every))
    run = st.train(
        st.split(images),
        architecture="cnn-small",
        recipe="classic",
        epochs=epochs,
        batch=200,
        runs=runs,
        progress=LineProgress(),
    )
    low, high = run.report.interval
    print(f"Accuracy: {run.report.accuracy:.2%} of {run.report.n:,} test images, between {low:.2%} and {high:.2%}")
    print(f"The report to open: {run.path / 'report.html'}")
    return run


if __name__ == "__main__":
    main()

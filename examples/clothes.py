"""The clothes story: load, explore, split, build, train, evaluate, and draw the curves of Fashion-MNIST.

python examples/clothes.py           # downloads Fashion-MNIST (31 MB) on first use
"""

from __future__ import annotations

from pathlib import Path

import striate as st
from striate.data.contact_sheet import save_contact_sheet
from striate.progress import LineProgress


def main(data_dir: Path | None = None, runs: Path = Path("runs"), epochs: int = 10, every: int = 1) -> st.Run:
    """Returns the run; `every` = 50 takes every fiftieth image, for a quick look."""
    # Load and explore: what is there, in which shape, how many of each?
    images = st.load_images("fashion_mnist", data_dir=data_dir)
    images = images.subset(range(0, len(images), every))
    first = images.read(0)
    print(f"{len(images):,} images of shape {first.shape}, values {first.min()}..{first.max()}")
    for name, number in images.count_by_class().items():
        print(f"  {name:<12} {number:,}")
    runs.mkdir(parents=True, exist_ok=True)
    save_contact_sheet(images, runs / "clothes.png")

    # Split. The set brings 10,000 test images; a tenth of the others is set aside to choose by.
    splits = st.split(images, seed=0)
    print("train, validation, test:", *(f"{len(part):,}" for part in splits))

    # Resizing, rescaling and one-hot labels are part of training; the model can be looked at as Keras knows it.
    run = st.train(
        splits, architecture="cnn", recipe="classic", epochs=epochs, batch=64, runs=runs, progress=LineProgress()
    )
    run.classifier.model.summary()

    # Evaluate on the images that chose nothing.
    report = st.evaluate(run.classifier, splits.test)
    print(f"Test loss {report.loss:.4f}, test accuracy {report.accuracy:.2%}")
    print(f"Accuracy and loss curves: {run.path / 'plots' / 'curves.png'}")
    return run


if __name__ == "__main__":
    main()

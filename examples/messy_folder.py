"""The messy-folder story: what is wrong with a data set, before hours are spent on it.

    python examples/messy_folder.py [FOLDER]

Without FOLDER it makes one from the built-in digits, with known faults. It prints what was found, writes a page to look
at, lists what to leave out, trains without that, and compares with the accuracy that the faults would have shown.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import striate as st
from striate.data.corrections import save_corrections


def messy(root: Path) -> Path:
    """Returns a folder of digits with leaks, copies, two labels for one image, and broken files."""
    images = st.load_images("digits")
    for index in range(1000):
        name, split = images.classes[images.labels[index]], ("test", "train")[index % 4 > 0]
        folder = root / split / name
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(images.read(index)[:, :, 0])
        image.save(folder / f"{index}.png")
        if split == "test" and index % 5 == 0:  # someone cropped and brightened "new" training images
            (root / "train" / name).mkdir(parents=True, exist_ok=True)
            image.point(lambda level: min(255, int(level * 1.1))).save(root / "train" / name / f"new {index}.png")
    some = sorted((root / "train" / "3").iterdir())
    Image.open(some[0]).save(root / "train" / "8" / "looks like an eight.png")
    some[1].with_name("again.png").write_bytes(some[1].read_bytes())
    (root / "train" / "5" / "download.png").write_bytes(b"<!DOCTYPE html><title>404 Not Found</title>")
    return root


def main(folder: Path, out: Path = Path("runs"), epochs: int = 10) -> st.Run:
    """Returns the run that was trained without what is wrong."""
    out.mkdir(parents=True, exist_ok=True)
    found = st.examine(folder)
    for finding in found.findings:
        print(f"{finding.severity}: {finding.message}.\n    {finding.advice}")
    found.save_page(out / "data.html")
    save_corrections(found.corrections(), out / "corrections.csv")
    print(f"Look at {out / 'data.html'}, and through {out / 'corrections.csv'}.")

    leaky = st.train(folder, architecture="cnn-small", epochs=epochs, allow_leaks=True, runs=out)
    print(f"As it is:  {leaky.report.accuracy:.1%} of {leaky.report.n} test images", end="")
    if leaky.report.without_leaks:
        print(f"; without the leaked ones {leaky.report.without_leaks.accuracy:.1%}", end="")
    run = st.train(folder, architecture="cnn-small", epochs=epochs, corrections=out / "corrections.csv", runs=out)
    low, high = run.report.interval
    print(f".\nRepaired:  {run.report.accuracy:.1%} of {run.report.n}, between {low:.1%} and {high:.1%}.")
    return run


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else messy(Path("messy")))

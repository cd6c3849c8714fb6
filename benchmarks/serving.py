"""Whether the server holds: throughput, overload, malformed requests, ends, new versions, and a long time of it.

    python benchmarks/serving.py DATA [--rows throughput,…] [--quick]

DATA is a folder that holds MNIST, or `digits` for the built-in set. A `cnn` of one epoch is exported and served by
`striate serve`; for throughput also an untrained MobileNetV2 at 128×128, and for overload one at 224×224, so that five
times its capacity can be asked for from the same computer. Clients, server and decoders share the computer's
processors; throughput is asked for by wrk where that is installed. Exits with 1 where a goal is missed. --quick asks
less of each row.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from evidence import publish
from numpy.typing import NDArray
from PIL import Image
from serving_load import overload, soak, throughput
from serving_stand import Stand
from serving_upset import ends, malformed, swaps

from striate.data.loaders.load import load_images
from striate.exporters.formats import EXPORT_FORMATS
from striate.exporters.verification import export_and_verify
from striate.workflows.train import train

PICTURES = 5000
ROWS: dict[str, Callable[[Stand], dict[str, Any]]] = {
    "throughput": throughput,
    "overload": overload,
    "malformed": malformed,
    "ends": ends,
    "swaps": swaps,
    "soak": soak,
}


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """Returns grayscale pixels as a PNG."""
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def pictures_of(data: str, count: int) -> list[bytes]:
    """Returns so many distinct PNGs: MNIST's own test images, or digits with noise."""
    rng = np.random.default_rng(0)
    if data == "digits":
        images = load_images("digits")
        rows = [np.asarray(images.read(index % len(images)))[:, :, 0] for index in range(count)]
        rows = [np.clip(row.astype(int) + rng.integers(-9, 10, row.shape), 0, 255).astype(np.uint8) for row in rows]
    else:
        images = load_images("mnist", data_dir=Path(data))
        chosen = rng.choice(len(images), count, replace=False)
        rows = [np.asarray(images.read(int(index)))[:, :, 0] for index in chosen]
    return [encoded(row) for row in rows]


def prepared(data: str, folder: Path, *, is_quick: bool) -> Stand:
    """Returns what is served: two versions of one classifier."""
    name, where = ("digits", None) if data == "digits" else ("mnist", data)
    files = []
    for seed in (0, 1):
        run = train(
            name, data_dir=where, architecture="cnn", epochs=1, seed=seed, runs=folder / "runs", name=f"run{seed}"
        )
        files.append(folder / f"version{seed}.onnx")
        pixels = np.stack([run.classifier.preprocessing(one) for one in pictures_of(data, 50)])
        export_and_verify(run.classifier, EXPORT_FORMATS["onnx"], files[-1], pixels)
    return Stand(folder, (files[0], files[1]), pictures_of(data, 500 if is_quick else PICTURES), is_quick)


def main() -> int:
    """Prints the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", help="a folder with MNIST, or digits")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        stand = prepared(asked.data, Path(folder), is_quick=asked.quick)
        for name in asked.rows.split(","):
            rows[name] = ROWS[name](stand)
            print(f"{name}: {'held' if rows[name]['holds'] else 'MISSED'}", file=sys.stderr)
    publish({"benchmark": "serving", "data": Path(asked.data).name, "is_quick": asked.quick, "rows": rows})
    return 0 if all(row["holds"] for row in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

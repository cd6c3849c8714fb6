"""Writes odd_images.json: python tests/data/golden.py FOLDER, FOLDER being the one with odd_images in it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from striate.data.preprocessing import decode_image
from striate.errors import ImageDecodeError


def outcome(path: Path) -> dict[str, object]:
    """Returns an image's decoded shape and the BLAKE2 of its pixels, or why it is refused."""
    try:
        pixels = decode_image(path)
    except ImageDecodeError as error:
        return {"refused": error.problem}
    return {"shape": list(pixels.shape), "pixels": hashlib.blake2b(pixels.tobytes(), digest_size=8).hexdigest()}


if __name__ == "__main__":
    root = Path(sys.argv[1]) / "odd_images"
    files = sorted(path for kind in ("valid", "bad") for path in (root / kind).rglob("*") if path.is_file())
    found = {path.relative_to(root).as_posix(): outcome(path) for path in files}
    text = json.dumps(found, indent=0, ensure_ascii=False, sort_keys=True)
    Path(__file__).with_name("odd_images.json").write_text(text + "\n", encoding="utf-8")

"""Mutated images and tables through the doors that they come in by: python tests/data/fuzz.py SEED IMAGES TABLES
FOLDER. Each is decoded or refused with a reason, within SECONDS and within the memory that this process may have. The
seconds are those of the processor, of which a busy machine gives no more; sleeping for long ends the process as well.
Prints one JSON document; whatever else happens ends it with a traceback, or by a signal.
"""

from __future__ import annotations

import faulthandler
import io
import json
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from striate.data.corrections import load_corrections
from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.data.preprocessing import Preprocessing, decode_image
from striate.data_checks.image_stats import scan_images
from striate.errors import ImageDecodeError, StriateError

SECONDS, ASLEEP = 20, 300
MEMORY = 4 << 30
LARGEST = 300_000  # bytes of an image that is mutated
FORM = Preprocessing(32, 32, 3)
KINDS = (0.2, 0.3, 0.08, 0.08, 0.08, 0.08, 0.06, 0.12)  # how often each kind of change

Rng = np.random.Generator


def mutated(data: bytes, other: bytes, rng: Rng) -> bytes:
    """Returns the bytes with a change or a few: the fewer there are, the further a decoder goes."""
    found = bytearray(data)
    for _ in range(int(rng.geometric(0.6))):
        place, length = int(rng.integers(0, len(found) + 1)), int(rng.integers(1, 64))
        kind = int(rng.choice(8, p=KINDS))
        if kind == 0:  # a few bytes become others
            for spot in rng.integers(0, max(1, len(found)), int(rng.integers(1, 20))):
                found[spot : spot + 1] = bytes([int(rng.integers(256))])
        elif kind == 1:  # one bit
            found[place : place + 1] = bytes(byte ^ 1 << int(rng.integers(8)) for byte in found[place : place + 1])
        elif kind == 2:
            del found[place:]
        elif kind == 3:
            del found[place : place + length]
        elif kind == 4:
            found[place:place] = rng.bytes(length)
        elif kind == 5:  # a part comes twice
            found[place:place] = found[max(0, place - length) : place]
        elif kind == 6:  # another file goes on from here
            found[place:] = other[min(place, len(other)) :][: len(data)]
        else:  # a number becomes very large
            wide = int(rng.choice([1, 2, 4, 8]))
            found[place : place + wide] = rng.choice([b"\xff" * wide, b"\x7f" + b"\xff" * (wide - 1), b"\0" * wide])
        if not found:
            break
    return bytes(found)


def summed(data: bytes) -> bytes:
    """Returns a PNG with the right checksums, as far as its chunks can be followed: else no change passes the first."""
    found, place = bytearray(data), 8
    while place + 12 <= len(found):
        length = int.from_bytes(found[place : place + 4])
        if place + 12 + length > len(found):
            break
        body = slice(place + 4, place + 8 + length)
        found[body.stop : body.stop + 4] = zlib.crc32(found[body]).to_bytes(4)
        place = body.stop + 4
    return bytes(found)


def seeds(folder: Path) -> list[list[bytes]]:
    """Returns valid images, those of a folder and generated ones of every format that can be written, by format."""
    found = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()] if folder.is_dir() else []
    y, x = np.mgrid[:24, :32]
    image = Image.fromarray(np.stack([x * 8, y * 10, x * y % 256], axis=-1).astype(np.uint8))
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "PPM", "ICO", "JPEG2000"):
        buffer = io.BytesIO()
        image.save(buffer, kind)
        found.append(buffer.getvalue())
    by_start: dict[bytes, list[bytes]] = {}
    for data in found:
        if 0 < len(data) <= LARGEST:
            by_start.setdefault(data[:2], []).append(data)
    return list(by_start.values())


def tables(folder: Path) -> dict[str, bytes]:
    """Returns name → bytes of valid tables and archives of twelve images in two classes."""
    rng = np.random.default_rng(0)
    images, labels = [], ["cat", "dog"] * 6
    for number, label in enumerate(labels):
        path = folder / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
        images.append(path)
    rows = "".join(f"{path.relative_to(folder)},{label},train\n" for path, label in zip(images, labels, strict=True))
    corrections = "".join(f"{path.relative_to(folder)},exclude,,{path.parent.name},\n" for path in images)
    found = {
        "a.csv": ("path,label,split\n" + rows).encode(),
        "corrections.csv": ("key,action,label,was,reason\n" + corrections).encode(),
    }
    stream = io.BytesIO()
    structs = pa.array([{"bytes": path.read_bytes(), "path": None} for path in images])
    pq.write_table(pa.table({"image": structs, "label": labels}), stream, row_group_size=5)
    found["a.parquet"] = stream.getvalue()
    for mode, name in (("w", "classes.tar"), ("w:gz", "classes.tar.gz")):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=mode) as file:
            for path in images:
                file.add(path, path.relative_to(folder).as_posix())
        found[name] = stream.getvalue()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as file:
        for number, (path, label) in enumerate(zip(images, labels, strict=True)):
            for ending, data in (("png", path.read_bytes()), ("cls", label.encode())):
                info = tarfile.TarInfo(f"{number}.{ending}")
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    found["shard.tar"] = stream.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in images:
            packed.write(path, path.relative_to(folder))
    found["a.zip"] = stream.getvalue()
    return found


def timed(job: Callable[[], str]) -> tuple[str, float]:
    """Returns what a job comes to, and its processor seconds; ends the process when it lasts too long."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(ASLEEP)
    began = time.process_time()
    outcome = job()
    signal.alarm(0)
    signal.setitimer(signal.ITIMER_PROF, 0)
    return outcome, time.process_time() - began


def picture_jobs(folder: Path, count: int, rng: Rng) -> Iterator[tuple[bytes, Callable[[], str]]]:
    """Yields mutated images, and what is done with each."""
    valid = seeds(folder)

    def job(data: bytes) -> str:
        try:
            assert decode_image(data).dtype == np.uint8
            assert FORM(data).shape == FORM.shape
        except ImageDecodeError as error:
            assert error.problem
            return "refused"
        return "decoded"

    for _ in range(count):
        kinds = (valid[int(rng.integers(len(valid)))] for _ in range(2))
        data, other = (kind[int(rng.integers(len(kind)))] for kind in kinds)
        changed = mutated(data, other, rng)
        if data.startswith(b"\x89PNG") and rng.random() < 0.7:
            changed = summed(changed)
        yield changed, lambda changed=changed: job(changed)


def table_jobs(count: int, rng: Rng) -> Iterator[tuple[bytes, Callable[[], str]]]:
    """Yields mutated tables and archives, and what is done with each."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        valid = tables(root)

        def job(name: str, data: bytes) -> str:
            path = root / name
            path.write_bytes(data)
            try:
                if name == "corrections.csv":
                    load_corrections(path)
                else:
                    images = load_images(path)
                    scan_images(images)
                    decode_all(images, FORM)
            except StriateError as error:
                assert str(error)
                return "refused"
            return "loaded"

        names = sorted(valid)
        for _ in range(count):
            name, other = (names[int(rng.integers(len(names)))] for _ in range(2))
            changed = mutated(valid[name], valid[other], rng)
            yield changed, lambda name=name, changed=changed: job(name, changed)


def main() -> None:
    """Prints what became of all."""
    seed, images, several = map(int, sys.argv[1:4])
    faulthandler.enable()
    for ending in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(ending, signal.SIG_DFL)  # ends the process: a decoder in C hears nothing else
    rng = np.random.default_rng(seed)
    last = Path(tempfile.gettempdir()) / f"striate-fuzz-{seed}.bin"
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for kind, jobs in (
        ("image", picture_jobs(Path(sys.argv[4]), images, rng)),
        ("table", table_jobs(several, rng)),
    ):
        for data, job in jobs:
            last.write_bytes(data)  # what ended the process is there to be looked at
            outcome, seconds = timed(job)
            outcomes[f"{kind} {outcome}"] += 1
            slowest = max(slowest, seconds)
    last.unlink(missing_ok=True)
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))  # getrusage counts the parent
    sys.stdout.write(json.dumps({**outcomes, "slowest_seconds": round(slowest, 2), "peak_mib": peak}))


if __name__ == "__main__":
    main()

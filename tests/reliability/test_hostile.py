"""Classifiers from a stranger: each is refused by name, in seconds, with little memory, and opens nothing outside its
folder. What runs code through a model's description is in tests/models/test_serialization.py; its attacks are tried
here again.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import safetensors.numpy

from striate.runs.run import Run
from striate.system.checksums import write_checksums

FILES = ("classifier.json", "network.json", "weights.safetensors")
SECONDS, MEGABYTES = 5, 512

LOADER = textwrap.dedent("""
    import os, resource, sys, time
    from pathlib import Path
    import striate
    from striate.classifier import Classifier
    from striate.errors import StriateError
    from striate.models.serialization import load_model  # and Keras with it: what is measured is the loading alone

    sound, *folders = sys.argv[1:]
    Classifier.load(sound)  # what is imported at the first use is imported now
    opened = []
    sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == "open" else None)
    python = tuple(os.path.realpath(one) for one in {sys.prefix, sys.base_prefix, *sys.path} if one)
    for folder in folders:
        own = os.path.realpath(folder)
        opened.clear()
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        try:
            Classifier.load(folder)
            said = "LOADED"
        except StriateError as error:
            said = str(error)
        seconds = time.perf_counter() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        allowed = (own, *python, "/proc", "/dev/null")
        outside = [one for one in map(os.path.realpath, opened) if not one.startswith(allowed)]
        print(repr((said, seconds, grown, outside)), flush=True)
""")


def _sealed(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Returns an attack by someone who has put all checksums right."""

    def attack(folder: Path) -> None:
        change(folder)
        manifest = json.loads((folder / "classifier.json").read_text())
        from striate.system.atomic_files import compute_sha256

        manifest["sha256"] = {name: compute_sha256(folder / name) for name in FILES[1:] if (folder / name).is_file()}
        (folder / "classifier.json").write_text(json.dumps(manifest))
        write_checksums(folder, FILES)

    return attack


def _described(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "network.json"
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))

    return _sealed(edit)


def _layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in config["config"]["layers"] if one["config"]["name"] == name)
    return found


def _units(number: int) -> Callable[[dict[str, Any]], None]:
    return lambda config: _layer(config, "logits")["config"].update(units=number)


def _link(name: str, target: str) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return attack


def _pipe(name: str) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return attack


def _written(name: str, content: bytes) -> Callable[[Path], None]:
    return _sealed(lambda folder: (folder / name).write_bytes(content))


class _Sings:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch sung",)


def _sparse(name: str, size: int) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.truncate(size)

    return attack


def _header(header: Any, content: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + content


def _many_tensors(folder: Path) -> None:
    tensors = {f"{number}": np.zeros(1, np.float32) for number in range(30_000)}
    safetensors.numpy.save_file(tensors, folder / "weights.safetensors")


def _hdf5(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.unlink()
    with h5py.File(path, "w") as file:
        file["stolen"] = h5py.ExternalLink("/etc/passwd", "/")


def _archive(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    with zipfile.ZipFile(folder / "classifier.json", "w") as file:
        file.writestr("../../escaped.json", "{}")
        file.writestr("config.json", "{}")
        file.writestr("bomb", b"0" * 50_000_000, zipfile.ZIP_DEFLATED)


def _wide(config: dict[str, Any]) -> None:
    """An image that grows and grows: no weights are needed for that."""
    layers = config["config"]["layers"]
    place = next(at for at, one in enumerate(layers) if one["class_name"] == "Rescaling")
    layers[place].update(
        class_name="UpSampling2D", config={"name": layers[place]["config"]["name"], "size": [99_999] * 2}
    )


def _manifest(folder: Path, **changes: Any) -> None:
    path = folder / "classifier.json"
    manifest = json.loads(path.read_text())
    for name, value in changes.items():
        manifest[name] = {**manifest[name], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(manifest))


def _twice(folder: Path) -> None:
    """The model is described twice under one key: soundly, and not."""
    text = (folder / "network.json").read_text()
    evil = json.dumps({"layers": [{"module": "os", "class_name": "system", "config": "touch sung"}]})
    (folder / "network.json").write_text(text.rstrip().removesuffix("}") + f', "config": {evil}}}')


ATTACKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "units without end": (_described(_units(10**12)), "more weights than its file holds"),
    "more units than the file": (_described(_units(5_000_000)), "more weights than its file holds"),
    "negative units": (_described(_units(-3)), "cannot rebuild the model"),
    "an image that grows": (_described(_wide), "more of one image than any memory|cannot rebuild"),
    "an image size without end": (
        _sealed(lambda folder: _manifest(folder, preprocessing={"height": 10**9, "width": 10**9, "channels": 1})),
        "manifest is damaged",
    ),
    "nested lists": (_written("network.json", b"[" * 200_000), "cannot be read"),
    "nested objects": (_written("network.json", b'{"a":' * 200_000), "cannot be read"),
    "a nested manifest": (
        lambda folder: (folder / "classifier.json").write_bytes(b"[" * 10**6),
        "damaged",
    ),
    "duplicate keys": (_sealed(_twice), "not a plain Keras layer"),
    "a link to a secret": (_link("weights.safetensors", "/etc/passwd"), "link out of its folder"),
    "a link to the parent": (_link("network.json", "../../network.json"), "link out of its folder"),
    "a linked manifest": (_link("classifier.json", "/etc/hostname"), "link out of its folder"),
    "a pipe for weights": (_pipe("weights.safetensors"), "no plain file"),
    "a pipe for a manifest": (_pipe("classifier.json"), "no plain file"),
    "a folder for weights": (
        lambda folder: ((folder / "weights.safetensors").unlink(), (folder / "weights.safetensors").mkdir()),
        "no plain file",
    ),
    "a manifest of a terabyte": (_sparse("classifier.json", 1 << 40), "too large"),
    "a model of a terabyte": (_sparse("network.json", 1 << 40), "too large"),
    "weights of a terabyte": (_sparse("weights.safetensors", 1 << 40), "too large"),
    "pickled weights": (_written("weights.safetensors", pickle.dumps(_Sings())), "cannot be read"),
    "a pickled manifest": (lambda folder: (folder / "classifier.json").write_bytes(pickle.dumps(_Sings())), "damaged"),
    "a table of contents without end": (
        _written("weights.safetensors", _header(b"{}", length=1 << 62)), "cannot be read"
    ),
    "a tensor beyond the file": (
        _written(
            "weights.safetensors",
            _header({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}, b"0" * 16),
        ),
        "cannot be read",
    ),
    "overlapping tensors": (
        _written(
            "weights.safetensors",
            _header(
                {
                    "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
                    "b": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
                },
                b"0" * 16,
            ),
        ),
        "cannot be read",
    ),
    "a shape that overflows": (
        _written(
            "weights.safetensors",
            _header({"a": {"dtype": "F32", "shape": [1 << 33, 1 << 33], "data_offsets": [0, 0]}}),
        ),
        "cannot be read",
    ),
    "tensors without end": (_sealed(_many_tensors), "more tensors than any model"),
    "an HDF5 file with a link out": (_sealed(_hdf5), "cannot be read"),
    "a zip archive": (_archive, "damaged"),
    "changed classes": (lambda folder: _manifest(folder, classes=["a"] * 10), "damaged"),
    "no seal": (lambda folder: (folder / "SHA256SUMS").unlink(), "seal is missing"),
    "a seal of a gigabyte": (_sparse("SHA256SUMS", 1 << 30), "checksums is damaged"),
}  # fmt: skip
"""Name → what is done to a sound classifier's folder, and what must be said of it."""


@pytest.fixture(scope="module")
def outcomes(
    digits_run: Run, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[str, float, float, list[str]]]:
    """Returns what one process said of every attack, one after the other."""
    root = tmp_path_factory.mktemp("hostile")
    for number, (attack, _) in enumerate(ATTACKS.values()):
        attack(shutil.copytree(digits_run.path / "classifier", root / f"{number}" / "classifier"))
    folders = [str(root / f"{number}" / "classifier") for number in range(len(ATTACKS))]
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(digits_run.path), *folders],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=SECONDS * len(ATTACKS) + 60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not list(root.rglob("sung")) and not list(root.parent.rglob("escaped.json"))
    return dict(zip(ATTACKS, map(eval, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_by_name_in_seconds_without_memory_and_opens_nothing_else(outcomes, name: str):
    said, seconds, megabytes, outside = outcomes[name]
    assert said != "LOADED"
    assert re.search(ATTACKS[name][1], said), said
    assert seconds < SECONDS
    assert megabytes < MEGABYTES
    assert outside == []


def test_there_are_enough_of_them():
    assert len(ATTACKS) >= 25


def test_a_link_within_the_folder_is_followed(digits_run: Run, tmp_path: Path):
    """As tools that keep large files elsewhere in the folder make them."""
    from striate.classifier import Classifier

    folder = Path(shutil.copytree(digits_run.path / "classifier", tmp_path / "classifier"))
    (folder / "store").mkdir()
    (folder / "weights.safetensors").rename(folder / "store" / "blob")
    (folder / "weights.safetensors").symlink_to("store/blob")
    assert Classifier.load(folder).classes == digits_run.classifier.classes


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.pkl"])
def test_a_single_file_is_no_classifier(tmp_path: Path, name: str):
    from striate.classifier import Classifier
    from striate.errors import ClassifierError

    (tmp_path / name).write_bytes(pickle.dumps(_Sings()))
    with pytest.raises(ClassifierError, match=r"There is no classifier here.*no single file"):
        Classifier.load(tmp_path / name)

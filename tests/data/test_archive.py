"""Archives of images: unpacked once, and only what belongs in the folder."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.loaders import archive
from striate.data.loaders.archive import unpack_archive
from striate.data.loaders.load import load_images
from striate.errors import DataError

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "striate" / "unpacked"


def png(value: int) -> bytes:
    out = io.BytesIO()
    Image.new("L", (5, 4), value).save(out, "PNG")
    return out.getvalue()


FILES = {f"{name}/{number}.png": png(40 * number) for name in ("кот", "dog") for number in range(4)}


def make_zip(path: Path, files: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return path


def make_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("prefix", ["", "pets/"])
@pytest.mark.parametrize(
    ("ending", "mode"), [(".zip", ""), (".tar", "w"), (".tar.gz", "w:gz"), (".TGZ", "w:gz"), (".tar.xz", "w:xz")]
)
def test_the_images_in_an_archive_are_those_of_its_folder(tmp_path: Path, ending: str, mode: str, prefix: str):
    files = {prefix + name: data for name, data in FILES.items()}
    path = tmp_path / f"my.pets{ending}"
    make_tar(path, files, mode) if mode else make_zip(path, files)
    images = load_images(path)
    assert (images.name, images.classes, len(images)) == ("my.pets", ("dog", "кот"), 8)
    assert images.keys.tolist() == sorted(FILES)
    assert [int(images.read(index)[0, 0, 0]) for index in range(4)] == [0, 40, 80, 120]


def test_an_archive_is_unpacked_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch):
    path = make_zip(tmp_path / "pets.zip", FILES)
    first = unpack_archive(path)
    with monkeypatch.context() as patch:
        patch.setattr(archive, "_extract_members", lambda *_: pytest.fail("unpacked again"))
        assert unpack_archive(path) == first
    make_zip(path, {**FILES, "dog/new.png": png(7)})
    assert unpack_archive(path) != first
    assert len(load_images(path)) == 9


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "name", ["../evil.png", "dog/../../evil.png", "/etc/evil.png", "..\\evil.png", "C:/evil.png", "C:\\evil.png"]
)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_file_that_would_land_elsewhere_is_refused_and_nothing_stays(tmp_path: Path, cache: Path, make, name: str):
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tar"), {**FILES, name: b"evil"})
    with pytest.raises(DataError, match=r"would land outside its folder\. Received: "):
        load_images(path)
    assert list(cache.iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize(
    "info",
    [
        link("dog/l.png", "/etc/passwd"),
        link("dog/l.png", "0.png"),
        link("dog/h.png", "/etc/passwd", tarfile.LNKTYPE),
        link("dog/fifo", "", tarfile.FIFOTYPE),
        link("dog/dev", "", tarfile.CHRTYPE),
        link("dog/dev", "", tarfile.BLKTYPE),
    ],
)
def test_links_pipes_and_devices_in_a_tar_are_refused(tmp_path: Path, cache: Path, info: tarfile.TarInfo):
    path = make_tar(tmp_path / "a.tar", FILES)
    with tarfile.open(path, "a") as out:
        out.addfile(info)
    with pytest.raises(DataError, match=rf"holds what is no plain file\. Received: {info.name}"):
        unpack_archive(path)
    assert list(cache.iterdir()) == []


def test_a_link_in_a_zip_is_refused(tmp_path: Path, cache: Path):
    path = make_zip(tmp_path / "a.zip", FILES)
    info = zipfile.ZipInfo("dog/l.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as out:
        out.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match=r"no plain file\. Received: dog/l\.png"):
        unpack_archive(path)
    assert list(cache.iterdir()) == []


def test_an_encrypted_zip_says_so(tmp_path: Path):
    path = make_zip(tmp_path / "a.zip", {"dog/0.png": png(0)})
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the local header's flags
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the directory's
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"is encrypted\. Received: dog/0\.png\..*Try: unpack it yourself"):
        unpack_archive(path)


def bomb() -> dict[str, bytes]:
    return {"dog/0.png": bytes(archive.BASE_BYTE_ALLOWANCE + (32 << 20))}


def test_an_archive_that_grows_out_of_proportion_is_refused_before_it_is_written(tmp_path: Path, cache: Path):
    path = make_zip(tmp_path / "a.zip", bomb())
    assert path.stat().st_size < 200_000
    with pytest.raises(DataError, match=r"more than is safe to unpack\. Received: more than \d+ MiB \(100 times"):
        unpack_archive(path)
    assert list(cache.iterdir()) == []


@pytest.mark.heavy
def test_a_size_that_is_a_lie_is_found_out_while_it_is_written(tmp_path: Path, cache: Path):
    path = make_zip(tmp_path / "a.zip", bomb())
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 24 : place + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"safe to unpack|cannot be unpacked"):
        unpack_archive(path)
    assert list(cache.iterdir()) == []


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ARCHIVE_FILES", 5)
    with pytest.raises(DataError, match=r"holds too many files\. Received: more than 5\. Try: several archives"):
        unpack_archive(make_tar(tmp_path / "a.tar", FILES))


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", ".tar.bz2", ".txz"])
@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04" + b"\0" * 100, b"\x1f\x8b" + b"\xff" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, cache: Path, ending: str, data: bytes):
    path = tmp_path / f"a{ending}"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"The archive a\..* (cannot be unpacked|holds no file)"):
        unpack_archive(path)
    assert list(cache.iterdir()) == []


def test_every_cut_of_an_archive_is_whole_or_refused(tmp_path: Path):
    rng = np.random.default_rng(0)
    noise = {f"{name}/{number}.png": rng.bytes(300) for name in ("cat", "dog") for number in range(3)}
    for whole in (make_zip(tmp_path / "a.zip", noise), make_tar(tmp_path / "a.tar.gz", noise, "w:gz")):
        data = whole.read_bytes()
        for cut in range(1, len(data), 97):
            whole.write_bytes(data[:-cut])
            try:
                folder = unpack_archive(whole)
            except DataError:
                continue
            assert {name: (folder / name).read_bytes() for name in noise} == noise  # only padding was cut off


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("ending", "mode"), [(".zip", ""), (".tar.gz", "w:gz"), (".tar.xz", "w:xz"), (".tar.bz2", "w:bz2")]
)
def test_an_archive_with_bytes_changed_is_read_or_refused_and_never_worse(tmp_path: Path, ending: str, mode: str):
    rng = np.random.default_rng(0)
    noise = {f"{name}/{number}.png": rng.bytes(300) + bytes(300) for name in ("cat", "dog") for number in range(3)}
    path = tmp_path / f"a{ending}"
    data = (make_tar(path, noise, mode) if mode else make_zip(path, noise)).read_bytes()
    refused = 0
    for place in range(0, len(data), max(1, len(data) // 150)):
        changed = bytearray(data)
        changed[place] ^= 0x5A
        path.write_bytes(changed)
        try:
            unpack_archive(path)
        except DataError:
            refused += 1
    assert refused > 10  # tar has no checksum over its members' bytes; a changed image shows when it is decoded

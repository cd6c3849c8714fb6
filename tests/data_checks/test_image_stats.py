"""The facts about each image, and that they are found once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.image_set import ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.folder import load_folder
from striate.data_checks import image_stats as module
from striate.data_checks.image_stats import compute_digests, scan_images
from striate.data_checks.summary import compute_statistics

pytestmark = pytest.mark.fast


@pytest.fixture
def mixed(tmp_path: Path) -> ImageSet:
    root = tmp_path / "mixed"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
    exif = Image.Exif()
    exif[271], exif[272], exif[274] = "Canon", "EOS 5D", 6
    Image.new("RGB", (200, 100), (255, 0, 0)).save(root / "a" / "turned.jpg", exif=exif, quality=95)
    Image.new("L", (30, 40), 100).save(root / "a" / "grey.png")
    Image.new("P", (50, 50)).save(root / "b" / "palette.gif")
    (root / "b" / "broken.jpg").write_bytes(b"nothing of the kind")
    return load_folder(root)


def fact(images: ImageSet, key: str):
    return scan_images(images).records[images.keys.tolist().index(key)]


def test_size_format_mode_camera_and_color_are_those_of_the_file(mixed: ImageSet):
    turned = fact(mixed, "a/turned.jpg")
    assert (turned["width"], turned["height"]) == (100, 200)  # as it is shown
    assert (turned["format"], turned["mode"]) == (b"JPEG", b"RGB")
    assert module.decode_text(turned["camera"]) == "Canon EOS 5D"
    np.testing.assert_allclose(turned["colour"], (254, 0, 0), atol=2)
    assert turned["bytes"] == mixed.sources[mixed.keys.tolist().index("a/turned.jpg")].stat().st_size
    gray = fact(mixed, "a/grey.png")
    assert (gray["format"], gray["mode"], gray["width"], gray["height"]) == (b"PNG", b"L", 30, 40)
    np.testing.assert_array_equal(gray["thumbnail"], np.full((32, 32), 100))
    assert fact(mixed, "b/palette.gif")["format"] == b"GIF"


def test_what_is_broken_has_its_reason_and_no_facts(mixed: ImageSet):
    assert scan_images(mixed).decode_errors == {"b/broken.jpg": "not an image in any known format"}
    assert fact(mixed, "b/broken.jpg")["digest"] == b""


def test_a_second_look_opens_no_image_until_one_changes(mixed: ImageSet, monkeypatch: pytest.MonkeyPatch):
    first = scan_images(mixed)
    calls = []
    look = module.scan_image
    monkeypatch.setattr(module, "scan_image", lambda images, index: calls.append(index) or look(images, index))
    np.testing.assert_array_equal(scan_images(mixed).records, first.records)
    assert calls == []
    shutil.copyfile(mixed.sources[0], Path(mixed.sources[0]).with_name("new.png"))
    assert len(scan_images(load_folder(Path(mixed.sources[0]).parents[1])).records) == 5
    assert len(calls) == 5


def test_pixels_have_facts_too():
    pixels = np.zeros((4, 6, 8, 3), np.uint8)
    pixels[1] = 200
    seen = scan_images(from_arrays(pixels, np.array([0, 1, 0, 1])))
    assert seen.records["format"].tolist() == [b"pixels"] * 4
    assert seen.records["width"].tolist() == [8] * 4 and seen.records["height"].tolist() == [6] * 4
    assert len(np.unique(seen.records["digest"])) == 2
    assert not seen.has_files


def test_statistics_are_those_of_the_readable_images(mixed: ImageSet):
    found = compute_statistics(scan_images(mixed))
    assert found is not None
    assert (found.width.minimum, found.width.median, found.width.maximum) == (30, 50, 100)
    assert found.formats == {"GIF": 1, "JPEG": 1, "PNG": 1} and found.cameras == {"Canon EOS 5D": 1}
    assert found.modes == {"L": 1, "P": 1, "RGB": 1}
    words = dict(found.describe())
    assert words["width"] == "30 to 100 px, median 50" and words["format"].startswith("GIF 33.3 %, ")
    assert compute_statistics(scan_images(mixed.subset([2]))) is None


def test_only_files_of_equal_size_are_read_to_be_compared(mixed: ImageSet, monkeypatch: pytest.MonkeyPatch):
    assert compute_digests(mixed).tolist() == [b"#0", b"#1", b"#2", b"#3"]
    for name in ("one.png", "two.png"):
        shutil.copyfile(mixed.sources[0], Path(mixed.sources[0]).with_name(name))
    images = load_folder(Path(mixed.sources[0]).parents[1])
    read = []
    contents = module.read_image_file
    monkeypatch.setattr(module, "read_image_file", lambda path: read.append(path.name) or contents(path))
    found = dict(zip(images.keys.tolist(), compute_digests(images).tolist(), strict=True))
    assert found["a/grey.png"] == found["a/one.png"] == found["a/two.png"] == fact(images, "a/grey.png")["digest"]
    assert sorted(read[:3]) == ["grey.png", "one.png", "two.png"]


def test_a_missing_or_empty_file_has_no_digest(mixed: ImageSet):
    Path(mixed.sources[0]).unlink()
    Path(mixed.sources[1]).write_bytes(b"")
    assert compute_digests(mixed).tolist() == [b"", b"", b"#2", b"#3"]
    assert scan_images(mixed).decode_errors[str(mixed.keys[0])] == "no such file or directory"

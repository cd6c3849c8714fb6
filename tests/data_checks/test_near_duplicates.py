"""Which images show the same: found whatever was done to them, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from striate.data_checks import near_duplicates
from striate.data_checks.near_duplicates import compute_perceptual_hashes, find_connected_groups, find_near_duplicates

pytestmark = pytest.mark.fast

SIZE = (32, 32)


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize(SIZE, Image.Resampling.BOX))


def thumbnails(*images: Image.Image) -> np.ndarray:
    return np.stack([thumbnail(image) for image in images])


def test_the_hash_has_imagehashs_bits(scene):
    imagehash = pytest.importorskip("imagehash")
    for seed in range(20):
        small = scene(seed).convert("L").resize(SIZE, Image.Resampling.LANCZOS)
        expected = np.packbits(imagehash.phash(small).hash.ravel()).view(">u8")[0]
        assert compute_perceptual_hashes(np.asarray(small)[None])[0] == expected


CHANGES = {
    "same": lambda image: image,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "mirrored": ImageOps.mirror,
    "grey": lambda image: image.convert("L"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(scene, change: str):
    originals = [scene(seed) for seed in range(60)]
    pairs = find_near_duplicates(thumbnails(*originals, CHANGES[change](originals[17])))
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(17, 60)]
    assert pairs.is_mirrored.tolist() == [change == "mirrored"]
    assert pairs.similarity[0] > 0.97


def test_a_set_that_holds_many_variants_of_each_image_has_a_group_for_each(scene):
    """As where images were augmented before they were divided."""
    variants = [ImageEnhance.Brightness(scene(seed)).enhance(0.5 + 0.1 * n) for seed in range(6) for n in range(8)]
    pairs = find_near_duplicates(thumbnails(*variants))
    groups = find_connected_groups(48, pairs.first, pairs.second)
    assert groups.tolist() == [seed for seed in range(6) for _ in range(8)]


def test_a_symmetric_image_is_not_its_own_copy_and_counts_as_plain(scene):
    left = scene(0).crop((0, 0, 64, 96))
    both = Image.new("RGB", (128, 96))
    both.paste(left, (0, 0))
    both.paste(ImageOps.mirror(left), (64, 0))
    others = [scene(seed) for seed in range(1, 40)]
    assert not len(find_near_duplicates(thumbnails(both, *others)))
    assert find_near_duplicates(thumbnails(both, *others, both)).is_mirrored.tolist() == [False]


def test_images_of_one_color_show_nothing_in_common():
    assert not len(find_near_duplicates(np.stack([np.full(SIZE, level, np.uint8) for level in (0, 0, 90, 255)])))


def test_where_all_images_are_much_alike_only_copies_stand_out(scene):
    rng = np.random.default_rng(0)
    base = thumbnail(scene(0)).astype(np.float32)
    alike = [np.clip(base + rng.normal(0, 6, SIZE), 0, 255).astype(np.uint8) for _ in range(50)]
    assert not len(find_near_duplicates(np.stack(alike)))
    pairs = find_near_duplicates(np.stack([*alike, alike[3]]))
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(3, 50)]


@pytest.mark.parametrize("total", [0, 1, 2])
def test_few_images_are_no_difficulty(scene, total: int):
    shown = thumbnails(*[scene(0)] * total) if total else np.zeros((0, *SIZE), np.uint8)
    assert len(find_near_duplicates(shown)) == max(0, total - 1)


def test_blocks_and_stripes_lose_no_pair(scene, monkeypatch: pytest.MonkeyPatch):
    originals = [scene(seed) for seed in range(30)]
    copies = [CHANGES["darker"](originals[index]) for index in (0, 7, 29)]
    shown = thumbnails(*originals, *copies)
    whole = find_near_duplicates(shown)
    monkeypatch.setattr(near_duplicates, "BLOCK_ROWS", 4)
    monkeypatch.setattr(near_duplicates, "BLOCK_COLUMNS", 5)
    parts = find_near_duplicates(shown)
    assert sorted(zip(parts.first, parts.second, strict=True)) == [(0, 30), (7, 31), (29, 32)]
    np.testing.assert_array_equal(whole.second, parts.second)


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
@settings(deadline=None)
def test_groups_are_the_connected_components(case):
    total, edges = case
    first, second = (np.array([edge[side] for edge in edges], np.int64) for side in (0, 1))
    groups = find_connected_groups(total, first, second)
    label = list(range(total))
    for a, b in edges:
        label = [label[a] if one == label[b] else one for one in label]
    for a in range(total):
        for b in range(total):
            assert (groups[a] == groups[b]) == (label[a] == label[b])
    firsts = [int(np.flatnonzero(groups == number)[0]) for number in range(groups.max() + 1)]
    assert firsts == sorted(firsts)

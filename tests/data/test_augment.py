"""Random changes to images: the matrices mean what their names say, and a seed fixes all of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from striate.config import replace_config
from striate.data.augment import AUTO_PRESETS, CLASSIC_PRESETS, FAST_PRESETS, NO_AUGMENT, Augment, resolve_augment
from striate.errors import ConfigError, UnknownNameError

pytestmark = pytest.mark.fast

HEIGHT, WIDTH = 11, 17
CASES = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
augments = st.builds(
    Augment,
    flip=st.booleans(),
    shift=st.floats(0, 0.9),
    rotate=st.floats(0, 180),
    shear=st.floats(0, 60),
    zoom=st.floats(0, 0.9),
    brightness=st.floats(0, 0.9),
    cutout=st.floats(0, 0.9),
    border=st.sampled_from(("black", "edge", "mirror")),
)
stacks = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 4), st.integers(2, 9), st.integers(2, 9), st.sampled_from((1, 3)))
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def matrices(augment: Augment, count: int = 500, seed: int = 0) -> np.ndarray:
    mirrored = (np.arange(count) % 2 == 1) & augment.flip
    return augment.sample_affine_matrices(mirrored, HEIGHT, WIDTH, rng(seed))


def test_all_ranges_at_zero_give_the_identity_and_the_same_pixels():
    np.testing.assert_array_equal(matrices(NO_AUGMENT, 3), np.tile([[1, 0, 0], [0, 1, 0]], (3, 1, 1)))
    pixels = rng().integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    np.testing.assert_array_equal(NO_AUGMENT(pixels, rng()), pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("width", [16, 17])
def test_a_flip_is_the_exact_mirror_image_about_every_second_time(channels: int, width: int):
    pixels = np.repeat(rng().integers(0, 256, (1, HEIGHT, width, channels), dtype=np.uint8), 400, axis=0)
    changed = Augment(flip=True)(pixels, rng())
    same = (changed == pixels).all(axis=(1, 2, 3))
    mirrored = (changed == pixels[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


@given(st.floats(0, 0.9), seeds)
@CASES
def test_a_shift_moves_by_at_most_its_share_of_each_side_and_does_nothing_else(share, seed):
    found = matrices(Augment(shift=share), 50, seed)
    np.testing.assert_array_equal(found[:, :, :2], np.tile(np.eye(2), (50, 1, 1)))
    assert (np.abs(found[:, 0, 2]) <= share * WIDTH + 1e-9).all()
    assert (np.abs(found[:, 1, 2]) <= share * HEIGHT + 1e-9).all()


def test_a_shift_uses_its_whole_range_both_ways_along_each_side_on_its_own():
    moved = matrices(Augment(shift=0.5))[:, :, 2]
    assert (moved.min(axis=0) < [-0.45 * WIDTH, -0.45 * HEIGHT]).all()
    assert (moved.max(axis=0) > [0.45 * WIDTH, 0.45 * HEIGHT]).all()
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.2


def test_a_whole_pixel_of_shift_moves_pixels_by_one():
    """Drawn until one shift is close to (1, 0): the matrix maps places in the new image to the old one."""
    augment, pixels = Augment(shift=0.2, zoom=1e-9), rng(1).integers(0, 256, (1, HEIGHT, WIDTH, 1), dtype=np.uint8)
    for seed in range(5000):
        dx, dy = augment.sample_affine_matrices(np.zeros(1, bool), HEIGHT, WIDTH, rng(seed))[0, :, 2]
        if abs(dx - 1) < 0.015 and abs(dy) < 0.015:
            moved, still = augment(pixels, rng(seed))[0].astype(int), pixels[0].astype(int)
            np.testing.assert_allclose(moved[:-1, :-1], still[:-1, 1:], atol=8)
            return
    pytest.fail("no seed gave that shift")


@pytest.mark.parametrize("border", ["black", "edge", "mirror"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_alone_a_shift_is_by_whole_pixels_and_shows_each_of_them(border, flip, channels):
    still = rng(1).integers(0, 256, (HEIGHT, WIDTH, channels), dtype=np.uint8)
    changed = Augment(shift=0.1, flip=flip, border=border)(np.repeat(still[None], 600, axis=0), rng())
    down, right = 1, 2  # a tenth of 11 and of 17, rounded
    mode = {"black": "constant", "edge": "edge", "mirror": "reflect"}[border]
    wide = np.pad(still, ((down, down), (right, right), (0, 0)), mode)
    places = [(y, x, way) for y in range(3) for x in range(5) for way in ((1, -1) if flip else (1,))]
    expected = {wide[y : y + HEIGHT, x : x + WIDTH][:, ::way].tobytes() for y, x, way in places}
    assert len(expected) == len(places)
    assert {image.tobytes() for image in changed} == expected


def test_images_a_pixel_thin_can_be_shifted():
    thin = rng().integers(0, 256, (5, 1, 9, 3), dtype=np.uint8)
    for border in ("black", "edge", "mirror"):
        assert Augment(shift=0.9, border=border)(thin, rng()).shape == thin.shape


def test_a_rotation_keeps_lengths_and_turns_by_at_most_its_angle():
    linear = matrices(Augment(rotate=30))[:, :, :2]
    np.testing.assert_allclose(linear @ linear.transpose(0, 2, 1), np.tile(np.eye(2), (500, 1, 1)), atol=1e-12)
    angle = np.rad2deg(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    assert 29 < angle.max() <= 30
    assert -30 <= angle.min() < -29


def test_a_shear_slants_uprights_by_at_most_its_angle_and_keeps_rows_level():
    linear = matrices(Augment(shear=20))[:, :, :2]
    np.testing.assert_array_equal(linear[:, :, 0], np.tile([1.0, 0.0], (500, 1)))
    angle = np.rad2deg(np.arctan2(linear[:, 0, 1], linear[:, 1, 1]))
    assert 19 < angle.max() <= 20 + 1e-9
    assert -20 - 1e-9 <= angle.min() < -19


def test_a_zoom_scales_both_sides_alike():
    linear = matrices(Augment(zoom=0.2))[:, :, :2]
    scale = linear[:, 0, 0]
    np.testing.assert_array_equal(linear, scale[:, None, None] * np.eye(2))
    assert 0.8 <= scale.min() < 0.82
    assert 1.18 < scale.max() <= 1.2


@given(augments, seeds)
@CASES
def test_without_a_shift_the_middle_stays_where_it_is(augment, seed):
    centre = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2, 1])
    moved = matrices(replace_config(augment, shift=0.0), 5, seed) @ centre
    np.testing.assert_allclose(moved, np.tile(centre[:2], (5, 1)), atol=1e-9)


@given(augments, stacks, seeds)
@CASES
def test_the_same_generator_gives_the_same_images_and_never_touches_the_originals(augment, pixels, seed):
    before = pixels.copy()
    one, two = (augment(pixels, rng(seed)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(pixels, before)
    assert (one.shape, one.dtype) == (pixels.shape, np.uint8)


def test_images_are_changed_each_in_its_own_way():
    pixels = np.repeat(rng().integers(0, 256, (1, 16, 16, 3), dtype=np.uint8), 8, axis=0)
    changed = Augment(rotate=20)(pixels, rng())
    assert len({image.tobytes() for image in changed}) == 8


def test_brightness_multiplies_within_its_range_and_stops_at_white():
    gray = np.full((300, 2, 2, 1), 100, np.uint8)
    found = Augment(brightness=0.3)(gray, rng())
    assert (found == found[:, :1, :1]).all()
    assert 69 <= found.min() <= 72
    assert 128 <= found.max() <= 130
    assert Augment(brightness=0.9)(np.full((50, 2, 2, 3), 250, np.uint8), rng()).max() == 255


def test_a_hole_is_a_square_in_the_mean_color_somewhere_in_each_image():
    pixels = np.zeros((400, 16, 16, 3), np.uint8)
    pixels[:, :8] = (200, 100, 40)
    changed = Augment(cutout=0.25)(pixels, rng())
    hole = (changed != pixels).any(axis=-1)
    assert (changed[hole] == (100, 50, 20)).all()
    for across in (1, 2):
        sides = hole.any(axis=across).sum(axis=1)
        assert (sides.min(), sides.max()) == (2, 4)  # at the rim half of it lies outside
    assert (hole.sum(axis=(1, 2)) == hole.any(axis=1).sum(axis=1) * hole.any(axis=2).sum(axis=1)).all()
    assert hole.any(axis=0).all()


@pytest.mark.parametrize(("border", "value"), [("black", 0), ("edge", 200), ("mirror", 200)])
def test_the_border_is_what_its_name_says(border: str, value: int):
    found = Augment(shift=0.9, border=border)(np.full((20, 8, 8, 1), 200, np.uint8), rng())
    assert found.min() == value


def test_a_changed_image_without_black_borders_holds_no_new_extremes():
    pixels = rng().integers(90, 110, (20, 16, 16, 3), dtype=np.uint8)
    found = Augment(flip=True, shift=0.3, rotate=90, shear=30, zoom=0.5)(pixels, rng())
    assert found.min() >= 90
    assert found.max() < 110


def test_automatic_augmentation_never_mirrors_digits():
    assert not AUTO_PRESETS["digits"].flip
    assert AUTO_PRESETS["photos"].flip
    assert not FAST_PRESETS["digits"].flip
    assert FAST_PRESETS["photos"].flip


@pytest.mark.parametrize("kind", ["digits", "clothes", "photos"])
def test_words_mean_what_the_tables_say(kind):
    assert resolve_augment("auto", kind) == AUTO_PRESETS[kind]
    assert resolve_augment("classic", kind) == CLASSIC_PRESETS[kind]
    assert resolve_augment("fast", kind) == FAST_PRESETS[kind]
    assert resolve_augment("none", kind) == NO_AUGMENT
    assert resolve_augment("clothes", kind) == AUTO_PRESETS["clothes"]
    mine = Augment(shift=0.3)
    assert resolve_augment(mine, kind) is mine


def test_a_list_of_changes_is_read_with_blanks_and_defaults():
    expected = Augment(flip=True, shift=0.1, rotate=10.0, border="edge")
    assert resolve_augment(" flip, shift = 0.1,rotate=10 ,border=edge", "photos") == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("flipp", r"no augmentation of that name\. Received: flipp\..* Try: flip\."),
        ("atuo", "Try: auto"),
        ("", "no augmentation of that name"),
        ("flip,,shift=0.1", "no augmentation of that name"),
        ("is_geometric", "no augmentation of that name"),
    ],
)
def test_an_unknown_word_suggests_the_nearest(text: str, part: str):
    with pytest.raises(UnknownNameError, match=part):
        resolve_augment(text, "photos")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("shift", r"shift needs a number\. Received: shift\. .*Try: shift=0\.1"),
        ("shift=much", r"shift needs a number\. Received: shift=much"),
        ("shift=5", r"shift cannot be used\. Received: 5\.0\. Expected: a finite number, at least 0, at most 0\.9"),
        ("rotate=-1", "rotate cannot be used"),
        ("zoom=nan", "zoom cannot be used"),
        ("border=blue", "'black', 'edge' or 'mirror'"),
        ("flip=0", r"flip takes no value\. Received: flip=0"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(text: str, part: str):
    with pytest.raises(ConfigError, match=part):
        resolve_augment(text, "photos")

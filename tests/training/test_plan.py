"""What is chosen from the images when the recipe leaves it open."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from striate.config import from_json, replace_config, to_json
from striate.data.augment import AUTO_PRESETS, Augment
from striate.data.batches import Batches
from striate.data.image_set import ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.load import load_images
from striate.errors import ImageDecodeError
from striate.training.auto_config import BUDGET, SIDES, form, look, plan, preprocessing_of
from striate.training.optimizers import build_schedule
from striate.training.presets import RECIPES
from striate.training.recipe import Recipe


def _arrays(n, *shape):
    return from_arrays(np.zeros((n, *shape), np.uint8), np.arange(n) % 2)


def _form(images):
    sizes, is_colour = look(images)
    return (*form(sizes, is_pretrained=False), 3 if is_colour else 1)


def _folder(root, sizes, *, colour=True, kind="png"):
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate(sizes):
        folder = root / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if not colour:
            pixels[...] = pixels[:, :, :1]
        Image.fromarray(pixels).save(folder / f"{number}.{kind}")
    return load_images(root)


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (64, 64), (1, 1), (5, 40), (64, 3)])
def test_arrays_of_one_small_size_keep_it(shape):
    assert _form(_arrays(4, *shape)) == (*shape, 1)
    assert _form(_arrays(4, *shape, 3)) == (*shape, 3)


@pytest.mark.parametrize(("shape", "side"), [((65, 65), 64), ((224, 224), 64), ((40, 80), 32), ((20, 90), 32)])
def test_larger_arrays_get_one_of_the_offered_sides(shape, side):
    assert _form(_arrays(4, *shape)) == (side, side, 1)


def test_an_image_set_of_arrays_without_a_channel_axis_is_grey():
    names = np.array(["one", "two"])
    images = ImageSet("mine", ("a", "b"), np.array([0, 1], np.int32), names, np.zeros((2, 9, 7), np.uint8), names)
    assert _form(images) == (9, 7, 1)


def test_files_of_one_small_size_keep_it(tmp_path):
    assert _form(_folder(tmp_path, [(48, 30)] * 6)) == (48, 30, 3)


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(40, 50), (70, 33), (36, 90)], 32),
        ([(50, 50), (48, 100), (49, 60)], 48),
        ([(64, 64), (64, 65), (200, 90)], 64),
        ([(400, 300), (97, 500), (96, 96)], 64),
        ([(10, 12), (8, 9), (300, 9)], 32),
        ([(300, 400)] * 3, 64),
    ],
)
def test_mixed_or_large_sizes_choose_the_side_that_the_median_fills(tmp_path, sizes, side):
    assert _form(_folder(tmp_path, sizes)) == (side, side, 3)
    assert side in SIDES


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_grey_photographs_saved_in_color_get_one_channel(tmp_path, kind):
    assert _form(_folder(tmp_path, [(40, 40)] * 4, colour=False, kind=kind))[2] == 1


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_files_of_a_grey_mode_get_one_channel(tmp_path, mode):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.new(mode, (20, 20)).save(tmp_path / name / "1.png")
    assert _form(load_images(tmp_path)) == (20, 20, 1)


def test_one_color_image_among_grey_ones_makes_three_channels(tmp_path):
    images = _folder(tmp_path, [(20, 20)] * 5, colour=False)
    Image.new("RGB", (20, 20), (200, 10, 10)).save(images.get_source(2))
    assert _form(images)[2] == 3


def test_broken_files_are_skipped(tmp_path):
    images = _folder(tmp_path, [(30, 30)] * 5)
    images.get_source(0).write_bytes(b"")
    images.get_source(1).write_bytes(b"<!doctype html>")
    images.get_source(3).write_bytes(images.get_source(2).read_bytes()[:60])
    assert _form(images) == (30, 30, 3)


def test_nothing_but_broken_files_is_told(tmp_path):
    images = _folder(tmp_path, [(30, 30)] * 2)
    for index in range(2):
        images.get_source(index).write_bytes(b"not a picture")
    with pytest.raises(ImageDecodeError, match="none of 2 images"):
        _form(images)


@pytest.mark.parametrize(("n", "epochs", "batch"), [(10, 30, 32), (1258, 30, 32), (55_000, 6, 128), (200_000, 5, 128)])
def test_epochs_and_batch_follow_from_the_number_of_images(n, epochs, batch):
    planned = plan(Recipe(), _arrays(n, 1, 1))
    assert (planned.epochs, planned.batch) == (epochs, batch)


@pytest.mark.parametrize(("n", "resting", "tuning"), [(100, 30, 30), (7_200, 15, 30), (50_000, 5, 6)])
def test_a_last_layer_alone_is_shown_a_third_of_the_images(n, resting, tuning):
    recipe = Recipe(architecture="mobilenet_v2", pretrained="imagenet", height=96, width=96, channels=3)
    assert plan(recipe, _arrays(n, 1, 1)).epochs == resting
    assert plan(replace_config(recipe, fine_tune=2), _arrays(n, 1, 1)).epochs == tuning


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 150_000))
def test_epochs_and_batch_stay_within_their_bounds_for_any_number_of_images(n):
    planned = plan(Recipe(), _arrays(n, 1, 1))
    assert 5 <= planned.epochs <= 30
    assert planned.batch in (32, 64, 128)
    assert planned.epochs in (5, 30) or abs(planned.epochs * n - BUDGET) <= n / 2
    assert planned.batch in (32, 128) or 1 / math.sqrt(2) <= planned.batch / (n / 50) <= math.sqrt(2)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_no_place_is_left_open_but_those_where_none_is_a_prediction(recipe, photos):
    for images in (load_images("digits"), load_images(photos)):
        planned = plan(recipe, images)
        open_places = {name for name in Recipe.__dataclass_fields__ if getattr(planned, name) is None}
        assert open_places <= {"patience", "minutes", "steps_per_epoch", "fine_tune_rate"}
        assert isinstance(planned.augment, Augment)
        assert preprocessing_of(planned).shape == (planned.height, planned.width, planned.channels)


def test_planning_twice_changes_nothing_more(photos):
    planned = plan(RECIPES["default"], load_images(photos))
    assert plan(planned, load_images(photos)) == planned
    assert plan(planned, load_images("digits")) == planned


def test_what_the_recipe_states_is_kept():
    recipe = Recipe(height=20, width=30, channels=3, epochs=2, batch=7, architecture="mlp", augment="none")
    planned = plan(recipe, load_images("digits"))
    assert (planned.height, planned.width, planned.channels) == (20, 30, 3)
    assert (planned.epochs, planned.batch, planned.architecture) == (2, 7, "mlp")
    assert planned.augment == Augment()


def test_one_stated_side_stands_for_both():
    planned = plan(Recipe(height=20), load_images("digits"))
    assert (planned.height, planned.width, planned.channels) == (20, 20, 1)
    planned = plan(Recipe(width=24, channels=3), load_images("digits"))
    assert (planned.height, planned.width, planned.channels) == (24, 24, 3)


def test_the_augmentation_follows_from_what_the_images_show(photos):
    assert plan(RECIPES["default"], load_images("digits")).augment == AUTO_PRESETS["digits"]
    assert plan(RECIPES["default"], load_images(photos)).augment == AUTO_PRESETS["photos"]


def test_predictions_are_averaged_over_mirror_images_where_training_mirrors_images(photos):
    for data, augment, expected in (
        (load_images(photos), "flip,shift=0.1", "mirror"),
        (load_images(photos), "shift=0.1", "none"),
        (load_images("digits"), "fast", "none"),
    ):
        assert plan(Recipe(tta="auto", augment=augment), data).tta == expected
        assert plan(Recipe(tta="mirror", augment=augment), data).tta == "mirror"
        assert plan(Recipe(augment=augment), data).tta == "none"


def test_the_rate_falls_in_two_steps_as_the_residual_models_paper_says():
    rate = build_schedule(Recipe(schedule="step"), 0.1, 100)
    values = [float(rate(step)) for step in (0, 49, 51, 74, 76, 99)]
    assert values == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_an_epoch_of_so_many_steps_is_a_part_of_the_images_and_another_each_time():
    pixels, labels = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1), np.zeros(100, np.int32)
    batches = Batches(pixels, labels, 2, 10, shuffle_seed=0, max_steps=3)
    assert len(batches) == 3
    first = {int(value) for index in range(3) for value in batches[index][0].ravel()}
    batches.set_epoch(1)
    second = {int(value) for index in range(3) for value in batches[index][0].ravel()}
    assert len(first) == len(second) == 30 and first != second
    assert len(Batches(pixels, labels, 2, 10, shuffle_seed=0, max_steps=50)) == 10
    assert len(Batches(pixels, labels, 2, 10, max_steps=3)) == 10  # those to choose by are all looked at


def test_the_residual_models_recipe_is_that_of_their_paper(photos):
    planned = plan(RECIPES["resnet-cifar"], load_images(photos))
    assert (planned.architecture, planned.epochs, planned.batch, planned.pretrained) == ("resnet20", 164, 128, "none")
    assert (planned.optimizer, planned.learning_rate, planned.schedule) == ("sgd", 0.1, "step")
    assert planned.augment.flip and planned.augment.shift == 0.125


def test_planned_recipes_survive_the_disk(photos):
    for recipe in RECIPES.values():
        planned = plan(recipe, load_images(photos))
        assert from_json(Recipe, to_json(planned), "test") == planned

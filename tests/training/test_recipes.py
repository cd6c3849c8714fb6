"""Recipes: named, from a file, and back again."""

from __future__ import annotations

import json

import pytest

from striate.config import from_json, replace_config, to_json, to_plain
from striate.data.augment import AUTO_PRESETS, CLASSIC_PRESETS, resolve_augment
from striate.data.loaders.load import load_images
from striate.errors import ConfigError, UnknownNameError
from striate.training.auto_config import plan
from striate.training.presets import RECIPES, recipe_named
from striate.training.recipe import Recipe

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_found_by_its_name(name):
    assert recipe_named(name) is RECIPES[name]
    assert RECIPES[name].name == name


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_json_before_and_after_planning(name, tmp_path):
    for recipe in (RECIPES[name], plan(RECIPES[name], load_images("digits"))):
        path = tmp_path / "recipe.json"
        path.write_text(to_json(recipe))
        assert recipe_named(path) == recipe
        assert recipe_named(str(path)) == recipe


def test_a_value_is_returned_as_it_is():
    recipe = Recipe(epochs=3)
    assert recipe_named(recipe) is recipe


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, on NumPy 2
def test_a_runs_recipe_is_valid_input_and_gives_the_same_recipe(digits_run):
    again = recipe_named(digits_run.path / "recipe.json")
    assert again == digits_run.recipe
    assert plan(again, load_images("digits")) == again
    assert again.architecture == "cnn-small"
    assert again.epochs == 4


def test_the_classic_recipe_is_the_tutorials():
    classic = RECIPES["classic"]
    assert (classic.optimizer, classic.learning_rate, classic.schedule) == ("adam", 1e-3, "constant")
    assert (classic.epochs, classic.batch, classic.keep) == (10, 32, "last")
    assert classic.label_smoothing == classic.weight_decay == 0
    assert resolve_augment(classic.augment, "digits") == CLASSIC_PRESETS["digits"]


def test_digits_are_never_mirrored_and_photographs_are():
    assert not AUTO_PRESETS["digits"].flip
    assert not CLASSIC_PRESETS["digits"].flip
    assert AUTO_PRESETS["photos"].flip


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="Try: classic"):
        recipe_named("clasic")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        recipe_named(tmp_path / "mine.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as JSON"),
        ("[]", "cannot be used"),
        ('{"epoch": 3}', "Unknown key in .*epoch.*Try: epochs"),
        ('{"epochs": "3"}', "epochs cannot be used"),
        ('{"epochs": 0}', "epochs cannot be used"),
        ('{"learning_rate": 0}', "learning_rate cannot be used"),
        ('{"learning_rate": -1e-3}', "learning_rate cannot be used"),
        ('{"channels": 4}', "channels cannot be used"),
        ('{"dropout": 1.0}', "dropout cannot be used"),
        ('{"seed": -1}', "seed cannot be used"),
        ('{"optimizer": "rmsprop"}', "optimizer cannot be used"),
        ('{"augment": {"flop": true}}', "augment"),
    ],
)
def test_a_file_that_is_no_recipe_says_where(tmp_path, text, message):
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        recipe_named(path)


@pytest.mark.parametrize(
    "change",
    [{"epochs": 0}, {"batch": -1}, {"learning_rate": float("nan")}, {"warmup": 1.5}, {"keep": "first"}, {"height": 0}],
)
def test_a_change_is_checked_like_a_file(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        replace_config(RECIPES["default"], "the recipe", **change)


def test_a_setting_that_does_not_exist_is_a_clear_error():
    with pytest.raises((ConfigError, TypeError), match="epoch"):
        replace_config(RECIPES["default"], "the recipe", epoch=3)


def test_a_recipe_of_a_file_may_hold_only_what_differs(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"epochs": 2, "augment": {"flip": True}}))
    recipe = recipe_named(path)
    assert to_plain(recipe)["epochs"] == 2
    assert recipe.augment.flip
    assert from_json(Recipe, to_json(recipe), "again") == recipe

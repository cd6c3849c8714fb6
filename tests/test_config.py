"""Configs: strict from Python and from JSON, and the same after a round trip."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.config import from_json, replace_config, to_json, to_plain
from striate.data.augment import Augment
from striate.data.preprocessing import Preprocessing
from striate.data.shards import ShardManifest as Shards
from striate.errors import ConfigError
from striate.evaluation.metrics import MetricEstimate
from striate.models.classifier_manifest import ClassifierManifest
from striate.training.recipe import Recipe

pytestmark = pytest.mark.fast

COMPLETE = {
    Shards: {"format": 1, "striate": "shards", "name": "", "kind": "photos", "classes": [], "shards": []},
    ClassifierManifest: {
        "format": 1,
        "architecture": "mlp",
        "classes": [],
        "temperature": 1.0,
        "preprocessing": {"height": 8, "width": 8, "channels": 1},
    },
}
"""Documents in which nothing is wrong."""

sides = st.integers(1, 8192)
shares = st.floats(0, 0.9)
preprocessings = st.builds(
    Preprocessing,
    height=sides,
    width=sides,
    channels=st.sampled_from((1, 3)),
    fit=st.sampled_from(("stretch", "crop", "pad")),
    background=st.integers(0, 255),
    interpolation=st.sampled_from(("nearest", "bilinear", "bicubic", "lanczos")),
)
augments = st.builds(
    Augment,
    flip=st.booleans(),
    shift=shares,
    rotate=st.floats(0, 180),
    shear=st.floats(0, 60),
    zoom=shares,
    brightness=shares,
    border=st.sampled_from(("black", "edge", "mirror")),
)
counts = st.none() | st.integers(1, 10**9)
recipes = st.builds(
    Recipe,
    name=st.text(st.characters(codec="utf-8")),
    architecture=st.none() | st.text(st.characters(codec="utf-8")),
    height=st.none() | sides,
    width=st.none() | sides,
    channels=st.sampled_from((None, 1, 3)),
    epochs=counts,
    batch=counts,
    optimizer=st.sampled_from(("adam", "adamw", "sgd")),
    learning_rate=st.floats(0, exclude_min=True, allow_infinity=False),
    warmup=st.floats(0, 1),
    weight_decay=st.floats(0, allow_infinity=False),
    label_smoothing=st.floats(0, 1, exclude_max=True),
    dropout=st.none() | st.floats(0, 1, exclude_max=True),
    augment=augments | st.sampled_from(("auto", "none", "flip,shift=0.1")),
    patience=counts,
    seed=st.integers(0, 2**32 - 1),
)


@given(preprocessings)
@settings(deadline=None)
def test_preprocessing_is_the_same_after_json(value):
    assert from_json(Preprocessing, to_json(value), "x") == value


@pytest.mark.heavy
@given(recipes)
@settings(deadline=None)
def test_a_recipe_is_the_same_after_json(value):
    assert from_json(Recipe, to_json(value), "recipe.json") == value


def test_names_in_any_script_are_written_readably():
    assert '"猫"' in to_json(Recipe(name="猫"))


def test_not_a_number_is_never_written():
    with pytest.raises(ValueError, match="JSON"):
        to_json({"loss": float("nan")})


def test_plain_turns_nested_configs_and_tuples_into_dicts_and_lists():
    value = {"one": (Augment(flip=True),), "two": 2}
    assert to_plain(value)["one"][0]["flip"] is True
    assert json.loads(to_json(value)) == to_plain(value)


def test_a_config_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3


def test_an_unknown_key_names_the_nearest_field():
    with pytest.raises(ConfigError, match=r"Unknown key in my\.json\. Received: epoch\. .* Try: epochs\."):
        from_json(Recipe, '{"epoch": 3}', "my.json")


def test_an_unknown_key_inside_a_nested_config_names_the_nearest_field_of_that_config():
    with pytest.raises(ConfigError, match=r"Received: augment\.flipp\. Expected: one of flip, .* Try: flip\."):
        from_json(Recipe, '{"augment": {"flipp": true}}', "my.json")


def test_a_misspelt_required_key_is_reported_as_misspelt_not_as_missing():
    preprocessing = '{"heigth": 8, "width": 8, "channels": 1}'
    text = f'{{"format": 1, "classes": ["a", "b"], "preprocessing": {preprocessing}}}'
    with pytest.raises(ConfigError, match=r"Received: preprocessing\.heigth\. .* Try: height\."):
        from_json(ClassifierManifest, text, "classifier.json")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"epochs": "3"}', r"epochs cannot be used\. Received: '3'\. Expected: an integer, at least 1, or null\."),
        ('{"epochs": 3.5}', "epochs cannot be used"),
        ('{"epochs": true}', "epochs cannot be used"),
        ('{"height": 0}', "an integer, at least 1, at most 8192, or null"),
        ('{"height": 8193}', "at most 8192"),
        ('{"channels": 2}', "channels cannot be used. Received: 2. Expected: 1 or 3, or null"),
        ('{"learning_rate": 0}', "a finite number, more than 0"),
        ('{"learning_rate": 1e999}', "cannot be read as JSON: number out of range"),
        ('{"seed": 4294967296}', "an integer, at least 0, less than 4294967296"),
        ('{"fit": "squash"}', "'stretch', 'crop' or 'pad'"),
        ('{"augment": {"shift": 5}}', r"augment\.shift cannot be used"),
        ("[]", "the document cannot be used"),
        ("{", "cannot be read as JSON: input data was truncated"),
        ("", "cannot be read as JSON: input data was truncated"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_was_expected(text, part):
    with pytest.raises(ConfigError, match=part) as caught:
        from_json(Recipe, text, "my.json")
    assert "my.json" in str(caught.value)


def test_bytes_that_are_not_utf_8_are_a_config_error():
    with pytest.raises(ConfigError):
        from_json(Recipe, b'{"name": "\xff"}', "my.json")


def test_a_very_long_wrong_value_is_cut_short_in_the_message():
    with pytest.raises(ConfigError) as caught:
        from_json(Recipe, json.dumps({"epochs": "9" * 10_000}), "my.json")
    assert len(str(caught.value)) < 300


def test_python_is_as_strict_as_json():
    with pytest.raises(ConfigError, match=r"Preprocessing: height cannot be used\. Received: '28'"):
        Preprocessing("28", 28, 1)
    with pytest.raises(ConfigError, match="channels cannot be used"):
        Preprocessing(28, 28, 2)
    with pytest.raises(ConfigError, match="flip cannot be used"):
        Augment(flip=1)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_refused_from_python(number):
    with pytest.raises(ConfigError, match=r"Recipe: learning_rate cannot be used\. .* Expected: a finite number"):
        Recipe(learning_rate=number)
    with pytest.raises(ConfigError, match=r"MetricEstimate: interval\.1 cannot be used\. .* Expected: a finite number"):
        MetricEstimate(0.5, (0.0, number))
    with pytest.raises(ConfigError, match=r"--warmup: warmup cannot be used"):
        replace_config(Recipe(), "--warmup", warmup=number)


def test_a_text_that_is_not_unicode_is_refused_from_python():
    with pytest.raises(ConfigError, match=r"Recipe: name cannot be used\. .* Expected: a text\."):
        Recipe(name="\ud800")


def test_what_python_gives_becomes_what_is_declared():
    figure = MetricEstimate(np.float64(0.5), [0, np.float64(1.0)])
    assert figure == MetricEstimate(0.5, (0.0, 1.0))
    assert [type(value) for value in (figure.value, *figure.interval)] == [float] * 3
    assert type(figure.interval) is tuple


def test_a_config_in_a_config_is_taken_as_it_is():
    augment = Augment(flip=True)
    assert Recipe(augment=augment).augment is augment


@pytest.mark.parametrize(
    ("cls", "value", "part"),
    [
        (Shards, {"shards": [{"sha": ""}]}, r"Unknown key in x\. Received: shards\.0\.sha\. .* Try: sha256\."),
        (Shards, {"shards": [3]}, r"x: shards\.0 cannot be used\. Received: 3\. Expected: an object\."),
        (Shards, {"shards": [{"file": "../a.tar"}]}, r"shards\.0\.file cannot .* Expected: a text, that matches"),
        (Shards, {"shards": [{"file": "a.tar\n"}]}, r"shards\.0\.file cannot be used"),
        (Shards, {"classes": ["a", 1]}, r"x: classes\.1 cannot be used\. Received: 1\. Expected: a text\."),
        (Shards, {"classes": "a"}, r"x: classes cannot be used\. Received: 'a'\. Expected: a list\."),
        (
            ClassifierManifest,
            {"versions": {"keras": 3}},
            r"x: versions cannot be used\. .*'keras': 3.* Expected: an object\.",
        ),
        (MetricEstimate, {"interval": [1]}, r"x: interval cannot be used\. Received: \[1\]\. Expected: a list of 2\."),
        (MetricEstimate, {"interval": {"0": 1}}, r"x: interval cannot be used"),
        (
            MetricEstimate,
            {"interval": [1, "2"]},
            r"x: interval\.1 cannot be used\. Received: '2'\. Expected: a finite number\.",
        ),
        (MetricEstimate, {"value": 1}, r"x: interval is missing\. Expected: a list of 2\."),
        (MetricEstimate, None, r"x: the document cannot be used\. Received: None\. Expected: an object\."),
        (Recipe, {"augment": 3}, r"augment cannot be used\. Received: 3\. Expected: an object, or a text\."),
    ],
)
def test_a_message_names_the_place_at_any_depth(cls, value, part):
    with pytest.raises(ConfigError, match=part):
        from_json(cls, json.dumps(value if value is None else {**COMPLETE.get(cls, {}), **value}), "x")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"data": ' * 100_000, '{"name": "\\ud800"}', '{"name": NaN}', "1 2"])
def test_what_is_not_json_is_a_config_error(text):
    with pytest.raises(ConfigError, match=r"my\.json cannot be read as JSON: "):
        from_json(Recipe, text, "my.json")


def test_replace_checks_what_it_changes_and_keeps_the_rest():
    recipe = Recipe(name="mine", epochs=3)
    assert replace_config(recipe, epochs=5) == Recipe(name="mine", epochs=5)
    with pytest.raises(ConfigError, match="--epochs: epochs cannot be used"):
        replace_config(recipe, "--epochs", epochs=0)
    assert recipe.epochs == 3
    with pytest.raises(ConfigError, match=r"Unknown key in --epochs\. Received: epoch\. .* Try: epochs\."):
        replace_config(recipe, "--epochs", epoch=3)

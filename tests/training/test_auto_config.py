"""Which model with which weights, when that is left open."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from striate.data.loaders.arrays import from_arrays
from striate.data.loaders.load import load_images
from striate.errors import ConfigError, WeightsError
from striate.models.pretrained_weights import BACKBONES, get_weights_folder
from striate.models.registry import DEFAULT_ARCHITECTURE
from striate.training import auto_config
from striate.training.auto_config import (
    LEAST_SIDE,
    PREFERRED,
    PRETRAINED_SIDES,
    choose_network,
    form,
    network_of,
    plan,
    refuse_grey,
)
from striate.training.presets import RECIPES
from striate.training.recipe import Recipe

pytestmark = pytest.mark.fast

NARROW = "mobilenet_v2_0.35_224_no_top.h5"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of Keras' own weights: called with rows' names, it holds their files."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def put(*names):
        get_weights_folder().mkdir(exist_ok=True)
        for name in names:
            (get_weights_folder() / BACKBONES[name].weights_file.name).touch()

    return put


@pytest.fixture(scope="module")
def stripes(photos):
    return load_images(photos)


@pytest.mark.parametrize(
    ("asked", "at_hand", "side", "chosen"),
    [
        ({}, (), 200, (DEFAULT_ARCHITECTURE, "none")),
        ({}, ("mobilenet_v2",), 200, ("mobilenet_v2", "imagenet")),
        ({}, ("resnet50", "efficientnet_v2_b0"), 200, ("efficientnet_v2_b0", "imagenet")),
        ({}, ("mobilenet_v2_0.35", "vgg16"), 200, (DEFAULT_ARCHITECTURE, "none")),  # not among the preferred
        ({}, ("mobilenet_v2",), LEAST_SIDE, ("mobilenet_v2", "imagenet")),
        ({}, ("mobilenet_v2",), LEAST_SIDE - 1, (DEFAULT_ARCHITECTURE, "none")),
        ({"pretrained": "none"}, ("mobilenet_v2",), 200, (DEFAULT_ARCHITECTURE, "none")),
        ({"channels": 1}, ("mobilenet_v2",), 200, (DEFAULT_ARCHITECTURE, "none")),
        ({"channels": 3}, ("mobilenet_v2",), 200, ("mobilenet_v2", "imagenet")),
        ({"height": 32, "width": 128}, ("mobilenet_v2",), 200, (DEFAULT_ARCHITECTURE, "none")),
        ({"height": 96}, ("mobilenet_v2",), 200, ("mobilenet_v2", "imagenet")),
        ({"architecture": "lenet"}, ("mobilenet_v2",), 200, ("lenet", "none")),
        ({"architecture": "mobilenet_v2"}, ("mobilenet_v2",), 200, ("mobilenet_v2", "none")),
        ({"architecture": "resnet50", "pretrained": "imagenet"}, (), 20, ("resnet50", "imagenet")),
        ({"pretrained": "imagenet"}, (), 20, (PREFERRED[0], "imagenet")),
        ({"pretrained": "imagenet"}, ("densenet121",), 20, ("densenet121", "imagenet")),
    ],
)
def test_the_choice(home, stripes, asked, at_hand, side, chosen):
    home(*at_hand)
    assert choose_network(Recipe(**asked), stripes, side) == chosen


def test_digits_and_many_images_begin_from_nothing(home, stripes, monkeypatch):
    home("mobilenet_v2")
    assert choose_network(Recipe(), load_images("digits"), 200) == (DEFAULT_ARCHITECTURE, "none")
    monkeypatch.setattr(auto_config, "MOST", len(stripes) - 1)
    assert choose_network(Recipe(), stripes, 200) == (DEFAULT_ARCHITECTURE, "none")
    monkeypatch.setattr(auto_config, "MOST", len(stripes))
    assert choose_network(Recipe(), stripes, 200) == ("mobilenet_v2", "imagenet")


@pytest.mark.parametrize("name", ["classic", "resnet-cifar"])
def test_the_recipes_of_papers_and_tutorials_never_begin_with_weights(home, stripes, name):
    home(*PREFERRED)
    assert plan(RECIPES[name], stripes).pretrained == "none"


@pytest.mark.heavy
def test_a_file_names_its_model(home, stripes, test_data):
    path = test_data / "weights" / NARROW
    assert choose_network(Recipe(pretrained=str(path)), stripes, 20) == ("mobilenet_v2_0.35", str(path))
    assert network_of(str(path)) == "mobilenet_v2_0.35"


def test_a_file_that_is_none_is_told(home, stripes, tmp_path):
    with pytest.raises(WeightsError, match=r"cannot be read.*absent\.h5"):
        choose_network(Recipe(pretrained=str(tmp_path / "absent.h5")), stripes, 200)


@pytest.mark.heavy
def test_where_a_file_lies_is_kept_from_any_working_folder(stripes, test_data, tmp_path, monkeypatch):
    shutil.copy(test_data / "weights" / NARROW, tmp_path / "w.h5")
    monkeypatch.chdir(tmp_path)
    assert plan(Recipe(pretrained="w.h5"), stripes).pretrained == str((tmp_path / "w.h5").resolve())


def test_preferred_models_have_weights():
    assert set(PREFERRED) <= set(BACKBONES)


def test_what_is_planned_around_pretrained_weights(home, stripes):
    """Larger images, in color, unchanged: and planning it again changes nothing more."""
    planned = plan(Recipe(pretrained="imagenet", augment="photos"), stripes)
    assert (planned.architecture, planned.height, planned.channels) == (PREFERRED[0], PRETRAINED_SIDES[0], 3)
    assert planned == plan(planned, stripes)
    tuned = plan(Recipe(pretrained="imagenet", augment="photos", fine_tune=2, learning_rate=2e-3), stripes)
    assert tuned.fine_tune_rate == pytest.approx(1e-4)
    assert tuned.augment != planned.augment
    assert tuned == plan(tuned, stripes)


@pytest.mark.parametrize(("short", "side"), [(40, 96), (96, 96), (127, 96), (128, 128), (500, 128)])
def test_pretrained_weights_see_one_of_two_sizes(short, side):
    assert form(np.array([[short, short + 9]]), is_pretrained=True) == (side, side)


def test_a_model_whose_weights_need_large_images_gets_them(home, stripes):
    planned = plan(Recipe(architecture="convnext-tiny", pretrained="imagenet"), stripes)
    assert (planned.height, planned.width) == (128, 128)


def test_grey_images_are_made_color_and_asking_for_grey_is_a_mistake(home):
    gray = from_arrays(np.zeros((8, 70, 70), np.uint8), np.arange(8) % 2)
    assert plan(Recipe(pretrained="imagenet"), gray).channels == 3
    with pytest.raises(ConfigError, match=r"three channels.*Try: --color, or --pretrained none"):
        plan(Recipe(pretrained="imagenet", channels=1), gray)
    refuse_grey(Recipe(pretrained="none", channels=1))


def test_fine_tuning_nothing_is_a_mistake(home, stripes):
    with pytest.raises(ConfigError, match=r"nothing to fine-tune.*Try: --pretrained imagenet"):
        plan(Recipe(fine_tune=2), stripes)

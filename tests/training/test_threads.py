"""One thread for what is too small for several, where nothing else is to be computed in the process."""

from __future__ import annotations

import os
import sys
from unittest.mock import Mock

import pytest

from striate.cli import run
from striate.system import process
from striate.training.recipe import Recipe
from striate.training.resources import SMALL, VARIABLES, batch_work, limit_threads

pytestmark = pytest.mark.fast

DIGITS = Recipe(architecture="cnn", height=8, width=8, channels=1, batch=32)


@pytest.fixture(autouse=True)
def _claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is a command's own, on TensorFlow, and the user has set no number of threads."""
    monkeypatch.setattr(process, "_is_claimed", True)
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    monkeypatch.setattr(os, "environ", {**environment, "KERAS_BACKEND": "tensorflow"})


def _limits(recipe: Recipe) -> dict[str, str]:
    limit_threads(recipe)
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def test_a_small_training_gets_one_thread() -> None:
    assert _limits(DIGITS) == dict.fromkeys(VARIABLES, "1")


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(Recipe(architecture="cnn", height=28, width=28, channels=1, batch=32), id="larger images"),
        pytest.param(Recipe(architecture="cnn", height=8, width=8, channels=1, batch=512), id="a larger batch"),
        pytest.param(Recipe(architecture="my-own", height=8, width=8, channels=1, batch=1), id="of unknown cost"),
    ],
)
def test_a_larger_or_unknown_one_keeps_its_threads(recipe: Recipe) -> None:
    assert _limits(recipe) == {}


def test_a_program_that_may_do_other_work_keeps_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_is_claimed", False)
    assert _limits(DIGITS) == {}


def test_other_backends_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "jax")
    assert _limits(DIGITS) == {}


def test_the_users_own_number_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, VARIABLES[0], "4")
    assert _limits(DIGITS) == {VARIABLES[0]: "4"}


def test_the_work_grows_with_the_images_and_the_batch() -> None:
    assert batch_work(DIGITS) == pytest.approx(11_992_448 * 64 / 784 * 32)
    assert batch_work(Recipe(architecture="cnn", height=16, width=8, channels=1, batch=64)) == 4 * batch_work(DIGITS)
    assert batch_work(DIGITS) < SMALL


@pytest.mark.parametrize(("verb", "is_claimed"), [("train", True), ("tune", False), ("ladder", False)])
def test_only_the_command_of_one_training_claims_its_process(
    monkeypatch: pytest.MonkeyPatch, verb: str, is_claimed: bool
) -> None:
    monkeypatch.setattr(process, "_is_claimed", False)
    monkeypatch.setattr(sys, "argv", ["striate", verb, "digits"])
    monkeypatch.setattr("striate.cli.main", lambda: 0)
    monkeypatch.setattr("striate.cli.gc", Mock())  # of this process, which does not end
    assert run() == 0
    assert process.is_process_claimed() is is_claimed

"""The one message format, its suggestions, and terminals that file names cannot repaint."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate import errors
from striate.errors import (
    ConfigError,
    DataError,
    ImageDecodeError,
    StriateError,
    UnknownNameError,
    find_nearest_name,
    to_printable,
)

pytestmark = pytest.mark.fast


def test_a_message_says_problem_received_expected_and_what_to_try_in_that_order():
    error = StriateError("Wrong size", received="3 px", expected="at least 8 px", hint="a larger image")
    assert str(error) == "Wrong size. Received: 3 px. Expected: at least 8 px. Try: a larger image."


def test_a_message_leaves_out_what_was_not_said_and_doubles_no_full_stop():
    assert str(StriateError("It is gone.", hint="look again.")) == "It is gone. Try: look again."


def test_falsy_values_received_are_still_shown():
    assert "Received: 0." in str(StriateError("Too few", received=0))


def test_an_image_error_keeps_its_reason_alone_for_lists():
    assert ImageDecodeError("empty file (0 bytes)", received="a.jpg").problem == "empty file (0 bytes)"


def test_every_error_defined_is_a_striate_error():
    defined = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    assert len(defined) >= 9
    assert all(issubclass(kind, StriateError) for kind in defined)
    assert issubclass(ImageDecodeError, DataError)
    assert issubclass(UnknownNameError, ConfigError)


def test_an_unknown_name_lists_all_names_and_suggests_the_nearest():
    error = UnknownNameError("architecture", "lenett", ["mlp", "lenet", "cnn"])
    assert "one of mlp, lenet, cnn" in str(error)
    assert str(error).endswith("Try: lenet.")


def test_an_unknown_name_that_resembles_nothing_gets_no_suggestion():
    assert "Try:" not in str(UnknownNameError("architecture", "zzzzzzzz", ["mlp", "lenet"]))


@pytest.mark.parametrize(
    ("typed", "meant"), [("MNIST", "mnist"), ("fashion-mnist", "fashion_mnist"), ("epoch", "epochs"), ("qqqq", None)]
)
def test_nearest_forgives_case_and_small_slips(typed, meant):
    assert find_nearest_name(typed, ["mnist", "fashion_mnist", "epochs"]) == meant


def test_nearest_returns_the_name_in_its_own_spelling():
    assert find_nearest_name("train_SET", ["Train_Set"]) == "Train_Set"


def test_control_characters_are_shown_as_escapes_and_line_breaks_kept():
    assert to_printable("a\x1b[2Jb\nc\rd") == "a\\x1b[2Jb\nc\\rd"


def test_a_file_name_with_an_escape_sequence_cannot_reach_the_terminal_through_an_error():
    assert "\x1b" not in str(DataError("Broken", received="\x1b[31mred.jpg"))


def test_letters_of_any_script_stay_as_they_are():
    assert to_printable("猫 éü ß 🐱") == "猫 éü ß 🐱"


@given(st.text())
@settings(deadline=None)
def test_printable_text_holds_nothing_that_moves_the_cursor(text):
    assert all(char.isprintable() or char == "\n" for char in to_printable(text))


@pytest.mark.heavy
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P"))))
@settings(deadline=None)
def test_printable_changes_nothing_that_was_printable(text):
    assert to_printable(text) == text

"""A suggestion is the run's own command with one thing changed, and can be typed."""

from __future__ import annotations

import shlex

import pytest

from striate.diagnosis.diagnosis import look_at_data, train_with


@pytest.mark.parametrize(
    ("command", "option", "value", "expected"),
    [
        ("striate train photos", "--lr", 0.1, "striate train photos --lr 0.1"),
        ("striate train photos --lr 10 --epochs 3", "--lr", 0.1, "striate train photos --epochs 3 --lr 0.1"),
        ("striate train photos --lr=10 --json", "--lr", 0.1, "striate train photos --lr 0.1"),
        ("striate train photos --minutes 5 --name a", "--epochs", 30, "striate train photos --epochs 30"),
        ("striate train photos --dropout --grey", "--dropout", 0.5, "striate train photos --grey --dropout 0.5"),
        ("striate train 'my photos'", "--lr", 1, "striate train 'my photos' --lr 1"),
        ("", "--lr", 1, "striate train photos --recipe runs/r/recipe.json --lr 1"),
    ],
)
def test_one_option_is_set_anew(evidence, command, option, value, expected):
    assert train_with(evidence(command=command), option, value) == expected


def test_names_that_a_shell_would_obey_are_quoted(evidence):
    words = shlex.split(look_at_data(evidence(source="a; rm -rf b"), "--fix"))
    assert words == ["striate", "data", "a; rm -rf b", "--fix"]
    assert look_at_data(evidence(source=None)) == "striate data DATA"

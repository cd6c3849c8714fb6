"""A suggestion is the run's own command with one thing changed, and can be typed."""

from __future__ import annotations

import shlex

import pytest

from striate.diagnosis.diagnosis import build_data_command, build_train_command


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
    assert build_train_command(evidence(command=command), option, value) == expected


def test_names_that_a_shell_would_obey_are_quoted(evidence):
    words = shlex.split(build_data_command(evidence(source="a; rm -rf b"), "--fix"))
    assert words == ["striate", "data", "a; rm -rf b", "--fix"]
    assert build_data_command(evidence(source=None)) == "striate data DATA"

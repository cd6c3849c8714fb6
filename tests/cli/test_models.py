"""`striate models`: the list, its filters, and the story of one model."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from PIL import Image

from striate.cli import main
from striate.cli.models import build_layer_rows, format_count, format_layer_kind
from striate.models.architecture import build_without_weights
from striate.models.cost import compute_cost, compute_layer_costs, load_cost_table
from striate.models.registry import ARCHITECTURES

NUMBERS = {"parameters", "multiply_adds", "receptive_field", "smallest_side"}


def _said(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["models", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def _names(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    return [row["name"] for row in _said(capsys, *words)]


def test_the_list_has_every_row_with_its_story_and_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    rows = _said(capsys)
    assert [row["name"] for row in rows] == list(ARCHITECTURES)
    for row in rows:
        assert {name: row[name] for name in NUMBERS} == load_cost_table()[row["name"]]
        assert row["description"] == ARCHITECTURES[row["name"]].description
        assert {"title", "authors", "year", "source", "native_shape"} <= row.keys()


@pytest.mark.parametrize("words", [[], ["--json"], ["--side", "32"], ["vgg"]])
def test_listing_loads_no_backend(words: list[str]) -> None:
    code = f"import sys; from striate.cli import main; main(['models', *{words!r}]); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].strip("[]").replace("'", "").split(", "))
    assert "striate.models.zoo.vgg" in loaded
    assert not loaded & {"keras", "tensorflow", "jax", "torch", "matplotlib"}


def test_the_list_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > len(ARCHITECTURES)
    assert max(map(len, lines)) <= 80


def test_filters_keep_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    known = load_cost_table()
    assert _names(capsys, "--max-parameters", "1.5M") == [n for n in known if known[n]["parameters"] <= 1_500_000]
    assert _names(capsys, "--max-parameters", "62k") == ["lenet"]
    assert _names(capsys, "--side", "8") == [n for n in known if known[n]["smallest_side"] <= 8]
    assert _names(capsys, "--year", "1998") == ["lenet"]
    years = {ARCHITECTURES[name].year for name in _names(capsys, "--year", "2012-2014")}
    assert {2012, 2014} <= years <= {2012, 2013, 2014}
    assert _names(capsys, "--year", "1998-2014", "--max-parameters", "100k", "--side", "28") == ["lenet"]
    assert _names(capsys, "--year", "1066") == []


def test_only_those_with_weights_learned_on_imagenet(capsys: pytest.CaptureFixture[str]) -> None:
    from striate.models.pretrained_weights import BACKBONES

    assert set(_names(capsys, "--pretrained")) == set(BACKBONES)


def test_a_word_lists_the_names_that_hold_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert _names(capsys, "vgg") == [name for name in ARCHITECTURES if "vgg" in name]


def test_a_filter_that_nothing_passes_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--year", "1066"]) == 0
    assert "No model is like that" in capsys.readouterr().out


def test_one_model_tells_its_story_and_every_layer(capsys: pytest.CaptureFixture[str]) -> None:
    row = ARCHITECTURES["lenet"]
    said = _said(capsys, "lenet")
    assert {said["parameters"], said["multiply_adds"]} == {61_706, 416_520}
    assert said["size"] == [32, 32, 1] and said["classes"] == 10
    assert [layer["name"] for layer in said["layers"]][:2] == ["rescale", "c1"]
    assert sum(layer["parameters"] for layer in said["layers"]) == 61_706
    assert main(["models", "lenet"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        row.title,
        row.authors,
        str(row.year),
        row.source,
        row.description,
        "61,706",
        "416,520",
        "AvgPool 2×2",
    ):
        assert text in shown


def test_the_figures_are_those_of_the_size_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    said = _said(capsys, "cnn", "--size", "40x30", "--color", "--classes", "5")
    found = compute_cost(build_without_weights(ARCHITECTURES["cnn"], (40, 30, 3), 5))
    assert said["size"] == [40, 30, 3] and said["classes"] == 5
    assert said["parameters"] == found.parameters
    assert said["multiply_adds"] == found.multiply_adds
    assert said["layers"][-1]["output_shape"] == [5]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_model_is_drawn_where_asked(
    ending: str, capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["models", "lenet", "--draw", f"lenet.{ending}", "--json"]) == 0
    json.loads(capsys.readouterr().out)
    if ending == "svg":
        text = (tmp_path / "lenet.svg").read_text(encoding="utf-8")
        assert "LeNet-5" in text and text.rstrip().endswith("</svg>")
    else:
        with Image.open(tmp_path / "lenet.png") as image:
            assert image.format == "PNG" and image.size[0] > 300


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lenett"], "Try: lenet."),
        (["vgg16", "--size", "12"], "at least 17 on each side"),
        (["vgg16", "--size", "big"], "Expected: 64 or 48x64"),
        (["vgg16", "--size", "0"], "Expected: 64 or 48x64"),
        (["vgg16", "--classes", "1"], "--classes"),
        (["vgg16", "--side", "28"], "vgg16 is one model"),
        (["vgg", "--size", "28"], "--size needs the name of one model"),
        (["--draw", "x.png"], "--draw needs the name of one model"),
        (["--grayscale"], "--grayscale needs the name of one model"),
        (["--max-parameters", "many"], "Expected: 5M or 300k"),
        (["--year", "long ago"], "Expected: 2014 or 2012-2015"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_message_and_exit_code_2(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == 2
    said = capsys.readouterr()
    assert expected in " ".join(said.err.split())
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *((0, "0"), (999, "999"), (1000, "1.00 k"), (61_706, "61.7 k"), (999_499, "999 k"), (999_600, "1.00 M")),
        *((138_357_544, "138 M"), (15_470_264_320, "15.5 G"), (9_996, "10.0 k"), (99_960, "100 k"), (4.2e12, "4200 G")),
    ],
)
def test_numbers_are_shown_with_three_digits(number: int, expected: str) -> None:
    assert format_count(int(number)) == expected


def test_a_deep_model_is_shortened_and_loses_no_weight() -> None:
    layers = compute_layer_costs(build_without_weights(ARCHITECTURES["resnet34"], (224, 224, 3), 1000))
    rows = build_layer_rows(layers)
    assert len(rows) < 40 < len(layers)
    assert [layer.name for layer, _ in rows[-3:]] == ["features", "embedding", "logits"]
    total, size = 0, 0
    for layer, mark in rows:
        size = size + 1 if mark[:1] in ("│", "╯") else 1
        total += layer.parameters
        if "×" in mark:
            times = int(mark.partition("×")[2])
            block = [one.parameters for one, _ in rows[rows.index((layer, mark)) + 1 - size :][:size]]
            total += (times - 1) * sum(block)
    assert total == sum(layer.parameters for layer in layers)


def test_layers_are_named_in_a_few_letters() -> None:
    layers = {
        layer.name: format_layer_kind(layer)
        for layer in compute_layer_costs(build_without_weights(ARCHITECTURES["alexnet"], (227, 227, 3), 1000))
    }
    assert "Conv 11×11 /4" in layers.values()
    assert "MaxPool 3×3 /2" in layers.values()
    assert "Conv 3×3" in layers.values()
    lenet = [
        format_layer_kind(layer)
        for layer in compute_layer_costs(build_without_weights(ARCHITECTURES["lenet"], (32, 32, 1), 10))
    ]
    assert "AvgPool 2×2" in lenet

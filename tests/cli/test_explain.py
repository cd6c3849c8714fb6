"""striate explain: images in, heat out, and nothing that could be mistaken for it when it goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.cli import main
from striate.data.loaders.load import load_images


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    images, folder = load_images("digits"), tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(images.read(number)[:, :, 0]).save(folder / f"{number}.png")
    (folder / "3.png").write_bytes(b"no picture")
    return folder


def test_it_tells_and_draws_each_image(digits_run, folder: Path, capsys):
    code = main(["explain", str(digits_run.path), str(folder), "--overlays", "heat", "--quiet"])
    said = capsys.readouterr().out
    assert code == 0
    assert said.count("of the heat in the central half") + said.count("nothing speaks for it") == 4
    assert "3.png: " in said
    with Image.open("explained.png") as figure:
        pixels = np.asarray(figure.convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    drawn = sorted(path.name for path in Path("heat").iterdir())
    assert drawn == ["000001-0.png", "000002-1.png", "000003-2.png", "000004-4.png"]
    with Image.open("heat/000001-0.png") as one:
        assert one.size == digits_run.classifier.preprocessing.shape[1::-1]


def test_json_is_one_document_in_the_order_of_the_images(digits_run, folder: Path, capsys):
    arguments = ["--json", "--class", "7", "--method", "grad-cam++", "--png", "seven.png"]
    assert main(["explain", str(digits_run.path), str(folder), *arguments]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [Path(row["source"]).name for row in rows] == [f"{number}.png" for number in range(5)]
    assert rows[3]["label"] is None
    assert rows[3]["error"]
    for row in (*rows[:3], rows[4]):
        assert (row["class"], row["method"], row["layer"]) == ("7", "grad-cam++", "conv")  # features are 2×2 here
        assert 0 <= row["probability"] <= 1
    predicted = digits_run.classifier.predict([str(folder / "0.png")])[0]
    assert rows[0]["label"] == predicted.label
    assert rows[0]["probability"] == pytest.approx(predicted.probabilities["7"], abs=1e-5)
    assert Path("seven.png").is_file()


def test_a_runs_model_is_drawn_without_an_image(digits_run, folder: Path, capsys):
    assert main(["explain", str(digits_run.path), "--draw", "network.svg", "--filters", "filters.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"drawn": ["filters.png", "network.svg"]}
    text = Path("network.svg").read_text(encoding="utf-8")
    assert "dense 128" in text
    assert f"{digits_run.manifest.parameters:,} weights" in text
    assert main(["explain", str(digits_run.path)]) == 2
    assert "SOURCES" in capsys.readouterr().err


def test_the_page_of_some_images_is_written(digits_run, folder: Path, capsys):
    assert main(["explain", str(digits_run.path), str(folder), "--html", "page.html", "--quiet"]) == 0
    assert "Drawn:  page.html" in capsys.readouterr().out
    text = Path("page.html").read_text(encoding="utf-8")
    assert "0.png" in text
    assert 100_000 < len(text) < 3_000_000
    assert not Path("explained.png").exists()
    assert (
        main(["explain", str(digits_run.path), str(folder), "--html", "page.html", "--include-layer", "nothing"]) == 2
    )
    assert "no such layer" in capsys.readouterr().err


def test_feature_maps_and_filters_are_drawn_where_asked_for(digits_run, folder: Path, capsys):
    arguments = ["--maps", "maps.svg", "--filters", "filters.png", "--quiet"]
    assert main(["explain", str(digits_run.path), str(folder / "1.png"), *arguments]) == 0
    assert "Drawn:  explained.png maps.svg filters.png" in capsys.readouterr().out
    drawn = Path("maps.svg").read_text(encoding="utf-8")
    assert "What each layer makes of 1.png" in drawn
    assert "4×4×32" in drawn
    with Image.open("filters.png") as image:
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--class", "seven"], "class"),
        (["--layer", "nowhere"], "no layer with maps of that name"),
        (["--layer", "features", "--method", "occlusion"], "looks at no layer"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_leaves_nothing(digits_run, folder: Path, capsys, arguments, message):
    assert main(["explain", str(digits_run.path), str(folder), *arguments, "--overlays", "heat"]) == 2
    assert message in capsys.readouterr().err
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["pictures"]

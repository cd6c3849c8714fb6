"""Sets of the Hugging Face hub, through their own library and without a network: a local folder is a set to it, too."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from striate.data.loaders.load import load_images
from striate.errors import DataError

needs_library = pytest.mark.skipif(not importlib.util.find_spec("datasets"), reason="needs the extra hf")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set of two splits, as it lies in a repository of the hub."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if importlib.util.find_spec("datasets"):
        import datasets.config

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "shapes"
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 12), ("test", 6)):
        rows = []
        for number in range(count):
            path = tmp_path / "x.png"
            Image.fromarray(np.full((6, 8, 3), 10 * number, np.uint8)).save(path)
            rows.append({"bytes": path.read_bytes(), "path": None})
        features = {
            "image": {"_type": "Image"},
            "label": {"names": ["disc", "square"], "_type": "ClassLabel"},
        }
        import json

        table = pa.table({"image": pa.array(rows), "label": pa.array([n % 2 for n in range(count)])})
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        pq.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


@needs_library
def test_a_set_has_its_splits_its_class_names_and_its_images(published: Path):
    images = load_images(f"hf://{published}")
    assert images.name == "shapes" and images.classes == ("disc", "square")
    assert {name: int(np.sum(images.splits == name)) for name in set(images.splits.tolist())} == {
        "train": 12,
        "test": 6,
    }
    assert images.keys[0] == "train/0" and images.keys[-1] == "test/5"
    place = images.keys.tolist().index("test/3")
    assert images.labels[place] == 1
    np.testing.assert_array_equal(images.read(place), np.full((6, 8, 3), 30))
    assert load_images(f"hf://{published}").compute_fingerprint() == images.compute_fingerprint()


@pytest.mark.slow
@needs_library
def test_a_set_that_is_not_there_says_so_in_one_message(published: Path):
    with pytest.raises(DataError, match=r"The set cannot be fetched: .*Received: hf://nobody/nothing"):
        load_images("hf://nobody/nothing")


def test_without_the_library_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"not installed.*pip install 'striate\[hf\]'"):
        load_images("hf://mnist")

"""Bulk prediction on a cluster: one prediction an image and the same ones as here, whoever dies."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from striate.classifier import Classifier
from striate.cluster.connection import connect_cluster
from striate.data.preprocessing import Preprocessing
from striate.errors import ClusterError
from striate.models.architecture import build_model
from striate.models.registry import ARCHITECTURES
from striate.progress import Progress
from striate.workflows.predict import predict_all

pq = pytest.importorskip("pyarrow.parquet")
pytestmark = [
    pytest.mark.slow,  # `make cluster` runs them; answering/test_bulk.py has the same in one process
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.filterwarnings("ignore"),  # Ray's about Ray's own code
]

DEADLY = b"DEADLY"
HOOK = f"""
import os, PIL.Image
real = PIL.Image.open
def open(file, *words, **named):
    if hasattr(file, "getvalue") and file.getvalue().startswith({DEADLY!r}):
        os.kill(os.getpid(), 9)
    return real(file, *words, **named)
PIL.Image.open = open
"""
"""Makes an image that no process survives, as a fault in a decoder would; run by Python as it starts."""


@pytest.fixture(scope="module")
def exported(photos, tmp_path_factory) -> Path:
    """A classifier as an ONNX file."""
    model = build_model(ARCHITECTURES["lenet"], (24, 24, 3), 3)
    classifier = Classifier(model, ("across", "slanting", "upright"), Preprocessing(24, 24, 3))
    out = tmp_path_factory.mktemp("bulk") / "answers"
    predict_all(classifier, [photos], out)
    return out / "_classifier.onnx"


@pytest.fixture(scope="module")
def many(photos, tmp_path_factory) -> Path:
    """5,000 images, one of them broken and one deadly."""
    folder = tmp_path_factory.mktemp("many")
    sources = sorted(photos.rglob("*.jpg"))
    for number in range(5000):
        os.link(sources[number % len(sources)], folder / f"{number:05}.jpg")
    for number, content in ((1234, b"broken"), (4321, DEADLY)):
        (folder / f"{number:05}.jpg").unlink()
        (folder / f"{number:05}.jpg").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def cluster(store, tmp_path_factory):
    hook = tmp_path_factory.mktemp("hook")
    (hook / "sitecustomize.py").write_text(HOOK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(hook))
        with connect_cluster("local"):
            yield


class _Lines(Progress):
    def __init__(self):
        self.lines = []

    def log(self, line):
        self.lines.append(line)


def test_an_actor_is_killed_and_an_image_kills_and_every_image_has_one_prediction(
    exported, many, cluster, workers, tmp_path
):
    shown, killed = _Lines(), []

    def kill() -> None:
        while not (tmp_path / "there" / "part-000000.parquet").is_file():
            time.sleep(0.01)
        killed.append(max(workers("MapWorker")))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    summary = predict_all(exported, [many], tmp_path / "there", on="local", progress=shown)
    thread.join()
    assert killed and (summary.image_count, summary.label_count, summary.error_count) == (5000, 4998, 2)
    assert any("got lost 3 times" in line for line in shown.lines)
    safe = tmp_path / "safe"
    shutil.copytree(many, safe, copy_function=os.link)
    (safe / "04321.jpg").unlink()
    (safe / "04321.jpg").write_bytes(b"")
    predict_all(exported, [safe], tmp_path / "here")
    there, here = (pq.read_table(tmp_path / name) for name in ("there", "here"))
    sources = [Path(source).name for source in there.column("source").to_pylist()]
    assert sources == [f"{number:05}.jpg" for number in range(5000)]
    assert there.column("label").equals(here.column("label"))
    fractions = [np.stack([row for row in one.column("probabilities").to_pylist() if row]) for one in (there, here)]
    assert (fractions[0] == fractions[1]).all()
    errors = {at: error for at, error in enumerate(there.column("error").to_pylist()) if error}
    assert errors.keys() == {1234, 4321} and "whatever decodes it dies" in errors[4321]


@pytest.mark.slow
def test_objects_that_went_away_are_broken_images(exported, photos, cluster, store, tmp_path):

    sources = sorted(photos.rglob("*.jpg"))
    for number in range(40):
        store.pipe_file(f"pictures/gone/{number:03}.jpg", sources[number].read_bytes())
    from striate.inference.batch.job import BatchJob
    from striate.inference.batch.work_items import list_work_items

    folder = tmp_path / "out"
    folder.mkdir()
    shutil.copy(exported, folder / "_classifier.onnx")
    BatchJob(folder).start(list_work_items(["s3://pictures/gone/**"]), {"reject_below": None})
    store.rm("pictures/gone", recursive=True)
    assert (
        predict_all(exported, [], folder, on="local", resume=True).error_count == 40
    )  # gone objects are no such files
    with pytest.raises(ClusterError, match="Not the address"):
        predict_all(exported, [photos], tmp_path / "no", on="http://somewhere")
    assert not (tmp_path / "no").exists()

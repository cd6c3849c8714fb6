"""The map of the data: embeddings, projections, and what is similar to what."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.cli import main
from striate.data.loaders.load import load_images
from striate.errors import ConfigError, DataError, UnknownNameError
from striate.explain.embeddings import build_embedding_model, compute_embeddings, find_neighbors
from striate.explain.projection import project_embeddings
from striate.system.backend import keras


def groups(n: int = 30, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Returns vectors of three groups that lie apart, and the groups' numbers."""
    rng = np.random.default_rng(0)
    labels = np.arange(3 * n) % 3
    return (8 * np.eye(3, d)[labels] + rng.normal(0, 1, (3 * n, d))).astype(np.float32), labels


@pytest.mark.backend
def test_an_embedding_is_what_the_last_layer_is_given(digits_run):
    classifier = digits_run.classifier
    images = load_images("digits")
    pixels = np.stack([classifier.preprocessing(images.get_source(at)) for at in range(140)])
    vectors = compute_embeddings(classifier.model, pixels)
    kernel, bias = classifier.model.layers[-1].get_weights()
    logits = vectors @ kernel + bias
    fractions = np.exp(logits / classifier.temperature)
    assert vectors.shape == (140, 128)
    assert fractions / fractions.sum(axis=1, keepdims=True) == pytest.approx(
        classifier.predict_probabilities(pixels), abs=1e-4
    )


@pytest.mark.backend
def test_a_model_without_such_a_vector_is_refused():
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 3)(image)))
    with pytest.raises(ConfigError, match="does not end with a dense layer"):
        build_embedding_model(model)


@pytest.mark.parametrize("method", ["pca", "tsne", pytest.param("umap", marks=pytest.mark.slow)])  # compiles 20 s
def test_a_map_keeps_groups_apart_and_is_the_same_again(method: str):
    if method == "umap":
        pytest.importorskip("umap")
    vectors, labels = groups()
    found = project_embeddings(vectors, method, seed=3)
    centres = np.stack([found.points[labels == group].mean(axis=0) for group in range(3)])
    distances = np.linalg.norm(found.points[:, None] - centres, axis=2)
    assert (distances.argmin(axis=1) == labels).mean() > 0.95
    assert np.array_equal(project_embeddings(vectors, method, seed=3).points, found.points)
    assert (found.explained_variance_ratio is not None) == (method == "pca")
    assert len(found.caveat) > 60


def test_the_share_of_the_variance_is_that_of_the_first_two_axes():
    vectors, _ = groups()
    values = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    assert project_embeddings(vectors).explained_variance_ratio == pytest.approx(
        values[:2].sum() / values.sum(), rel=1e-4
    )


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch):
    vectors, _ = groups()
    with pytest.raises(DataError, match="Too few"):
        project_embeddings(vectors[:4])
    with pytest.raises(UnknownNameError, match="tsne"):
        project_embeddings(vectors, "tnse")
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ConfigError, match=r"striate\[umap\]"):
        project_embeddings(vectors, "umap")


def test_the_nearest_are_found_by_angle_and_vote():
    known = np.array([[1, 0], [10, 1], [0, 1], [0, 3], [-1, 0]], np.float32)
    found = find_neighbors(known, np.array([[2, 0], [0, 5]], np.float32), 3)
    assert found.indices[0].tolist() == [0, 1, 2] or found.indices[0].tolist() == [0, 1, 3]
    assert found.similarities[0, :2] == pytest.approx([1, 10 / np.sqrt(101)])
    assert set(found.indices[1, :2].tolist()) == {2, 3}
    assert found.vote_labels(np.array([7, 7, 4, 4, 9])).tolist() == [7, 4]
    assert (
        find_neighbors(known, known, 2).vote_labels(np.array([1, 2, 3, 4, 5])).tolist()[0] == 1
    )  # a draw: the nearest decides
    with pytest.raises(DataError):
        find_neighbors(known[:0], known, 2)


def test_the_command_maps_a_run(digits_run, tmp_path: Path, capsys):
    page = tmp_path / "map.html"
    assert main(["map", str(digits_run.path), "--html", str(page), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["n"] == digits_run.report.n
    assert said["accuracy"] == pytest.approx(digits_run.report.accuracy)
    assert said["neighbors_accuracy"] > 0.8
    assert 0.1 < said["explained"] < 1
    assert page.stat().st_size > 50_000


def test_the_command_tells_what_an_image_resembles(digits_run, tmp_path: Path, capsys):
    images = load_images("digits")
    with (digits_run.path / "split.csv").open(encoding="utf-8") as file:
        trained = next(line.split(",")[0] for line in file if line.rstrip().endswith(",train"))
    Image.fromarray(images.read(images.keys.tolist().index(trained))[:, :, 0]).save(tmp_path / "own.png")
    (tmp_path / "broken.png").write_bytes(b"none")
    words = [
        "--similar-to",
        str(tmp_path / "own.png"),
        "--similar-to",
        str(tmp_path / "broken.png"),
        "--png",
        str(tmp_path / "l.png"),
    ]
    assert main(["map", str(digits_run.path), *words, "--json"]) == 0
    own, broken = json.loads(capsys.readouterr().out)
    assert own["similar_images"][0]["image"] == trained
    assert own["similar_images"][0]["similarity"] == pytest.approx(1, abs=1e-4)
    assert len(own["similar_images"]) == 5
    assert broken["error"]
    assert (tmp_path / "l.png").stat().st_size > 5_000
    assert main(["map", str(digits_run.path), "--similar-to", str(tmp_path / "broken.png")]) == 2

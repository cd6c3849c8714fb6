"""Slips that no other test noticed when they were planted (see mutants/plant_faults.py); one small test for each."""

from __future__ import annotations

import asyncio
import io
from dataclasses import fields, replace
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ExifTags, Image

from striate.data.augment import Augment
from striate.data.batches import Batches
from striate.data.image_set import ImageSet
from striate.data.loaders.csv import load_csv
from striate.data.loaders.folder import load_folder
from striate.data.preprocessing import Preprocessing, is_sideways, open_image
from striate.data.splits import split_stratified
from striate.data_checks.duplicates import find_leaked_images
from striate.data_checks.image_stats import scan_image
from striate.data_checks.near_duplicates import find_near_duplicates
from striate.evaluation.metrics import compute_metrics
from striate.evaluation.prediction_table import LabeledPredictions
from striate.evaluation.selective import compute_operating_point
from striate.evaluation.significance import compute_detectable_difference
from striate.prediction import build_prediction
from striate.progress import NO_PROGRESS
from striate.training.auto_config import look as looked_at
from striate.training.history import EpochMetrics, read_history
from striate.training.recipe import Recipe
from striate.training.resources import REPORT, room_needed
from striate.workflows.training_job import Record


def images_of(given: list[str]) -> ImageSet:
    """Two classes in turn, as many images as words."""
    count = len(given)
    return ImageSet(
        name="some",
        classes=("a", "b"),
        labels=np.arange(count, dtype=np.int32) % 2,
        keys=np.array([f"image/{number}" for number in range(count)]),
        sources=np.zeros((count, 4, 4), np.uint8),
        splits=np.array(given, "U10"),
    )


def test_a_validation_split_smaller_than_its_fraction_is_not_filled_up():
    images = images_of(["validation"] * 2 + ["train"] * 38)
    assert split_stratified(images, validation=0.3).validation.keys.tolist() == ["image/0", "image/1"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientations_that_exchange_width_and_height_are_the_last_four(tmp_path: Path, orientation: int):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (40, 20), "red").save(tmp_path / name / "one.jpg", exif=exif)
    images = load_folder(tmp_path)
    fact = scan_image(images, 0)
    assert (fact["width"], fact["height"]) == ((20, 40) if orientation > 4 else (40, 20))
    with open_image(images.get_source(0)) as image:
        assert is_sideways(image) is (orientation > 4)


def test_classes_are_sorted_by_code_point_whatever_the_case(tmp_path: Path):
    for name in ("b", "C", "a", "B"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.png").touch()
    assert load_folder(tmp_path).classes == ("B", "C", "a", "b")


def test_classes_of_a_table_are_sorted_and_not_in_the_order_of_its_rows(tmp_path: Path):
    for name in ("one.png", "two.png", "three.png"):
        (tmp_path / name).touch()
    table = tmp_path / "table.csv"
    table.write_text("path,label\none.png,pear\ntwo.png,apple\nthree.png,pear\n", encoding="utf-8")
    images = load_csv(table)
    assert images.classes == ("apple", "pear")
    assert images.labels.tolist() == [1, 0, 1]


def test_one_image_is_changed_otherwise_in_every_epoch():
    pixels = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 9, 9, 1), dtype=np.uint8), 8, axis=0)
    batches = Batches(pixels, np.zeros(8, np.int32), 2, 8, shuffle_seed=0, augment=Augment(rotate=45))
    seen = set()
    for epoch in range(3):
        batches.set_epoch(epoch)
        seen.add(batches[0][0].tobytes())
    assert len(seen) == 3


def room(**limits: float):
    """What counts images in and out of a server; one image takes two seconds."""
    pytest.importorskip("starlette")
    from striate.serving.model_registry import ModelRegistry, ThroughputEstimator
    from striate.serving.settings import ServerLimits

    times = iter(range(0, 100, 2))
    house = ModelRegistry((), replace(ServerLimits(), **limits))
    house.throughput = ThroughputEstimator(lambda: float(next(times)))
    return house.reserve_capacity


def test_a_server_is_full_with_the_images_of_the_request_at_the_door():
    from striate.serving.http_errors import RequestError

    room_for = room(max_pending_images=4)
    with room_for(9), pytest.raises(RequestError, match="busy"), room_for(1):  # alone, a request of any size is taken
        pass
    with room_for(3):
        with room_for(1):
            pass
        with pytest.raises(RequestError, match="busy"), room_for(2):
            pass


@pytest.mark.parametrize(("seconds", "is_taken"), [(1.0, False), (3.0, True)])
def test_a_server_sends_away_who_would_wait_too_long(seconds: float, is_taken: bool):
    from striate.serving.http_errors import RequestError

    room_for = room(max_batch_size=1, max_wait_seconds=seconds)
    with room_for(1):
        pass
    with room_for(1):
        if is_taken:
            with room_for(1):
                pass
        else:
            with pytest.raises(RequestError, match="busy"), room_for(1):
                pass


def test_no_batch_of_a_server_is_larger_than_its_limit():
    from striate.serving.batching import Batcher, gather_or_cancel

    classifier = SimpleNamespace(predict_probabilities=lambda pixels: pixels.reshape(len(pixels), -1).astype(float))

    async def run() -> list[int]:
        batcher = Batcher(classifier, 3)
        coming = [asyncio.get_running_loop().create_future() for _ in range(8)]
        for number, one in enumerate(coming):
            batcher.put(np.full((1, 1, 1), number, np.uint8), one)
        assert [row[0] for row in await gather_or_cancel(coming)] == list(range(8))
        await batcher.close()
        return list(batcher.batch_sizes)

    assert asyncio.run(run()) == [3, 3, 2]


def test_a_bootstrap_interval_of_a_mean_reaches_as_far_as_the_normal_one():
    losses = np.random.default_rng(0).exponential(1.0, 2_000)
    logs = np.stack([-losses, np.log1p(-np.exp(-losses))], axis=1)
    low, high = compute_metrics(np.zeros(len(losses), np.int32), logs).log_loss.interval
    error = losses.std() / np.sqrt(len(losses))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_a_difference_must_be_larger_to_be_found_by_one_of_several_tests():
    n, discordant, tests = 2_000, 100, 6
    found, fraction = compute_detectable_difference(n, discordant, tests), (discordant + 1) / (n + 2)
    alpha, beta = NormalDist().inv_cdf(1 - 0.05 / tests / 2), NormalDist().inv_cdf(0.8)
    needed = (alpha * fraction**0.5 + beta * (fraction - found**2) ** 0.5) ** 2 / found**2  # Connor 1987, equation 3
    assert needed == pytest.approx(n, rel=1e-6)
    assert found > compute_detectable_difference(n, discordant)


@pytest.mark.parametrize(("confidence", "is_unsure"), [(0.75, False), (0.7499, True)])
def test_a_prediction_as_confident_as_the_threshold_is_given(confidence: float, is_unsure: bool):
    found = build_prediction("x", ("a", "b"), np.array([confidence, 1 - confidence]), reject_below=0.75)
    assert (found.is_abstention, found.label) == (is_unsure, None if is_unsure else "a")


@pytest.mark.parametrize(("size", "is_taken"), [(10, True), (11, False)])
def test_a_body_that_does_not_say_its_size_is_counted_as_it_comes(size: int, is_taken: bool):
    pytest.importorskip("starlette")
    from striate.serving.http_errors import RequestError
    from striate.serving.security import SecurityMiddleware

    parts = iter(range(size))
    taken = []

    async def receive():
        return {"type": "http.request", "body": b"x", "more_body": next(parts) < size - 1}

    async def app(scope, receive, send):
        try:
            while (message := await receive())["more_body"]:
                taken.append(message["body"])
        except RequestError as fault:
            taken.append(fault.code)

    scope = {"type": "http", "path": "/predict", "raw_path": b"/predict", "headers": [(b"host", b"localhost")]}
    asyncio.run(
        SecurityMiddleware(app, allowed_hosts=["localhost"], token=None, max_body_bytes=10, max_body_seconds=9)(
            scope, receive, None
        )
    )
    assert taken[-1] == (b"x" if is_taken else "large")


def test_a_server_decodes_no_image_of_more_pixels_than_its_limit():
    pytest.importorskip("starlette")
    from striate.serving.decode_pool import DecodePool
    from striate.serving.settings import ServerLimits

    def png(side: int) -> bytes:
        held = io.BytesIO()
        Image.new("L", (side, side)).save(held, "PNG")
        return held.getvalue()

    async def run() -> list[object]:
        decoders = DecodePool(ServerLimits(max_pixels=100, decode_workers=1))
        await decoders.start()
        try:
            return await decoders.decode(Preprocessing(8, 8, 1), [png(10), png(11)])
        finally:
            await decoders.stop()

    fits, is_too_large = asyncio.run(run())
    assert isinstance(fits, np.ndarray) and "11×11 pixels, more than 100" in str(is_too_large)


def test_an_image_that_is_in_the_validation_split_as_well_is_leaked():
    images = images_of(["validation", "test", "train", "test", "", "test"])
    copies = SimpleNamespace(group_ids=np.array([0, 0, 1, 1, 2, 2]))
    assert find_leaked_images(images, copies).tolist() == [False, True, False, True, False, False]


def test_one_color_image_among_grey_ones_makes_a_model_of_three_channels(tmp_path: Path):
    for number in range(10):
        Image.new("RGB", (8, 8), (90, 90, 90)).save(tmp_path / f"{number}.png")
    paths = [tmp_path / f"{number}.png" for number in range(10)]
    images = replace(images_of([""] * 10), sources=paths)
    assert looked_at(images)[1] is False
    last = np.random.default_rng(0).permutation(10)[-1]  # the one that is looked at last
    Image.new("RGB", (8, 8), (200, 0, 0)).save(tmp_path / f"{last}.png")
    assert looked_at(images)[1] is True


def test_room_is_asked_for_as_many_checkpoints_as_lie_on_the_disk_at_once():
    weights = 1_000_000
    checkpoint = 4 * weights * (2 + 2)  # the weights, Adam's two moments, and the best epoch's weights
    assert room_needed(weights, Recipe()) == 3 * checkpoint + 4 * weights + REPORT  # two are kept, one is being written


def test_an_image_as_confident_as_the_threshold_counts_as_answered():
    logs = np.log([[0.6, 0.4], [0.3, 0.7], [0.9, 0.1]])
    predicted = LabeledPredictions(("a", "b"), np.array(["x", "y", "z"]), np.zeros(3, np.int32), logs)
    assert compute_operating_point(predicted, float(predicted.confidence[1])).accepted_count == 2


def test_a_history_that_is_resumed_keeps_its_epochs(tmp_path: Path):
    rows = [EpochMetrics(number, *[0.5] * (len(fields(EpochMetrics)) - 1)) for number in (1, 2, 3)]
    Record(tmp_path / "history.csv", rows[:2], NO_PROGRESS)(rows[2])
    assert [row.epoch for row in read_history(tmp_path / "history.csv")] == [1, 2, 3]


def test_two_images_are_no_copies_where_one_of_them_resembles_a_third_nearly_as_much():
    base, other = np.linalg.qr(np.random.default_rng(0).normal(size=(32 * 32, 2)))[0].T
    turned = [base * np.cos(angle) + other * np.sin(angle) for angle in (0, 0.057, -0.26)]
    thumbnails = np.round(128 + 32 * 40 * np.stack(turned)).astype(np.uint8).reshape(3, 32, 32)
    assert (
        len(find_near_duplicates(thumbnails, max_hash_distance=64)) == 0
    )  # 0.057 is more than a fifth of 0.26, not of 0.317
    assert len(find_near_duplicates(thumbnails[[0, 1]], max_hash_distance=64)) == 1

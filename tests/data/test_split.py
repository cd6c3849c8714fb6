"""Train, validation and test: a partition, stratified, seeded, and never touching a test split that was given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.image_set import ImageSet
from striate.data.loaders.arrays import from_arrays
from striate.data.splits import Splits, load_splits, save_splits, split_stratified
from striate.errors import DataError

pytestmark = pytest.mark.fast

CASES = settings(deadline=None, max_examples=50)


def images_of(sizes: list[int], tested: list[int] | None = None) -> ImageSet:
    """Classes of these sizes, their images mixed; with `tested`, a given test split of those sizes beside them."""
    rng = np.random.default_rng(sum(sizes))

    def part(numbers: list[int]):
        labels = rng.permutation(np.repeat(np.arange(len(numbers)), numbers))
        return np.zeros((len(labels), 1, 1), np.uint8), labels

    names = [f"c{number}" for number in range(len(sizes))]
    return from_arrays(*part(sizes), classes=names, test=part(tested) if tested else None)


def keys(images: ImageSet) -> list[str]:
    return images.keys.tolist()


class_sizes = st.lists(st.integers(3, 40), min_size=2, max_size=6)
shares = st.floats(0.01, 0.5)
seeds = st.integers(0, 2**32 - 1)


@given(class_sizes, shares, shares, seeds)
@CASES
def test_split_never_loses_doubles_or_separates_an_image_from_its_class(sizes, validation, test, seed):
    images = images_of(sizes)
    try:
        splits = split_stratified(images, validation=validation, test=test, seed=seed)
    except DataError:
        rounded = [max(1, round(validation * n)) + max(1, round(test * n)) for n in sizes]
        assert any(taken >= n for taken, n in zip(rounded, sizes, strict=True))  # refused only when nothing is left
        return
    assert sorted(key for part in splits for key in keys(part)) == sorted(keys(images))
    labels = dict(zip(keys(images), images.labels.tolist(), strict=True))
    for part in splits:
        assert part.classes == images.classes
        assert [labels[key] for key in keys(part)] == part.labels.tolist()


@given(class_sizes, seeds)
@CASES
def test_every_class_gives_every_split_its_share_rounded_and_at_least_one(sizes, seed):
    splits = split_stratified(images_of(sizes), validation=0.1, test=0.2, seed=seed)
    for number, size in enumerate(sizes):
        test, validation = max(1, round(0.2 * size)), max(1, round(0.1 * size))
        expected = (size - test - validation, validation, test)
        assert tuple(part.count_by_class()[f"c{number}"] for part in splits) == expected


@given(class_sizes, st.lists(st.integers(1, 9), min_size=6, max_size=6), seeds)
@CASES
def test_a_given_test_split_stays_exactly_as_it_is(sizes, tested, seed):
    images = images_of(sizes, tested[: len(sizes)])
    splits = split_stratified(images, seed=seed)
    assert keys(splits.test) == [key for key in keys(images) if key.startswith("test/")]
    assert not any(key.startswith("test/") for part in (splits.train, splits.validation) for key in keys(part))
    assert all(splits.validation.count_by_class().values())


@pytest.mark.heavy
@given(class_sizes, seeds)
@CASES
def test_the_same_seed_gives_the_same_split(sizes, seed):
    one, two = (split_stratified(images_of(sizes), seed=seed) for _ in range(2))
    assert [keys(part) for part in one] == [keys(part) for part in two]


def test_another_seed_gives_another_split():
    images = images_of([200, 200])
    assert len({tuple(keys(split_stratified(images, seed=seed).test)) for seed in range(5)}) == 5


def test_the_validation_split_does_not_follow_from_numpys_global_state():
    images = images_of([50, 50])
    np.random.seed(1)  # noqa: NPY002
    one = split_stratified(images, seed=3)
    np.random.seed(2)  # noqa: NPY002
    assert keys(one.validation) == keys(split_stratified(images, seed=3).validation)


def with_given(images: ImageSet, words: list[str]) -> ImageSet:
    return replace(images, splits=np.array(words, "U10"))


def test_a_given_validation_split_is_kept_and_only_a_test_split_is_made():
    images = with_given(images_of([10, 10]), ["validation", "train"] * 10)
    splits = split_stratified(images, test=0.5)
    assert keys(splits.validation) == [f"picture/{index}" for index in range(0, 20, 2)]
    assert not set(keys(splits.test)) & set(keys(splits.validation))
    assert len(splits.test) + len(splits.train) == 10


def test_three_given_splits_are_kept_whatever_the_shares():
    images = images_of([6, 6])
    words = np.empty(12, object)
    words[np.argsort(images.labels, kind="stable")] = [
        "train",
        "train",
        "train",
        "validation",
        "validation",
        "test",
    ] * 2
    splits = split_stratified(with_given(images, words.tolist()), validation=0.5, test=0.5)
    assert [len(part) for part in splits] == [6, 4, 2]
    for part, word in zip(splits, ("train", "validation", "test"), strict=True):
        assert set(part.splits.tolist()) == {word}


@pytest.mark.parametrize("share", [0, -0.1, 0.51, 1, float("nan")])
@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_share_outside_its_bounds_is_refused(name: str, share: float):
    with pytest.raises(DataError, match=f"The {name} share is out of range. Received: {share}"):
        split_stratified(images_of([9, 9]), **{name: share})


def test_one_class_is_refused():
    with pytest.raises(DataError, match=r"only one class, so there is nothing to tell apart\. Received: c0"):
        split_stratified(images_of([9]))


@pytest.mark.parametrize("size", [1, 2])
def test_a_class_too_small_to_divide_is_named_with_what_is_needed(size: int):
    with pytest.raises(DataError, match=rf"'c1' .* too few images to divide\. Received: {size} .*at least 3"):
        split_stratified(images_of([9, size]))


def test_with_a_given_test_split_two_images_of_a_class_are_enough():
    splits = split_stratified(images_of([9, 2], [1, 1]))
    assert splits.train.count_by_class()["c1"] == splits.validation.count_by_class()["c1"] == 1


def test_a_class_that_only_the_test_split_has_is_refused():
    with pytest.raises(DataError, match="'c1' of arrays has no image to train on"):
        split_stratified(images_of([9, 0], [1, 1]))


@pytest.mark.heavy
@given(class_sizes, seeds)
@CASES
def test_splits_are_the_same_after_saving_and_loading(tmp_path_factory: pytest.TempPathFactory, sizes, seed):
    images = images_of(sizes)
    splits = split_stratified(images, seed=seed)
    path = tmp_path_factory.mktemp("split") / "split.csv"
    save_splits(splits, path)
    again = load_splits(images, path)
    assert [keys(part) for part in again] == [keys(part) for part in splits]
    assert [part.labels.tolist() for part in again] == [part.labels.tolist() for part in splits]


def odd_names() -> ImageSet:
    images = images_of([3, 3])
    names = ["a,b.png", 'say "hi".png', "line\nbreak.png", "carriage\rreturn.png", "猫.png", " blank .png"]
    return replace(images, keys=np.array(names), classes=("c,0", "c\n1"))


def test_names_with_commas_quotes_and_line_breaks_survive_saving(tmp_path: Path):
    images = odd_names()
    splits = split_stratified(images)
    save_splits(splits, tmp_path / "split.csv")
    assert [keys(part) for part in load_splits(images, tmp_path / "split.csv")] == [keys(part) for part in splits]


def test_images_that_are_gone_are_counted_and_named(tmp_path: Path):
    images = images_of([5, 5])
    save_splits(split_stratified(images), tmp_path / "split.csv")
    with pytest.raises(DataError, match=r"4 of the 10 images this run was made with are gone.*picture/\d"):
        load_splits(images.subset(range(6)), tmp_path / "split.csv")


def test_images_that_came_later_belong_to_no_split(tmp_path: Path):
    images = images_of([6, 6])
    splits = Splits(*(images.subset([2 * part, 2 * part + 1]) for part in range(3)))
    save_splits(splits, tmp_path / "split.csv")
    assert sum(map(len, load_splits(images, tmp_path / "split.csv"))) == 6


@pytest.mark.parametrize("text", [b"", b"a,b\n1,2\n", b"\xff\xfe", b"key,class,split\npicture/0,c0,holdout\n", None])
def test_a_missing_or_damaged_list_is_a_data_error(tmp_path: Path, text: bytes | None):
    if text is not None:
        (tmp_path / "split.csv").write_bytes(text)
    with pytest.raises(DataError, match="The list of splits"):
        load_splits(images_of([5, 5]), tmp_path / "split.csv")

"""Division keeps together what belongs together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.loaders.arrays import from_arrays
from striate.data.splits import split_stratified as split_by_groups
from striate.data_checks.split import split
from striate.errors import DataError

pytestmark = pytest.mark.fast


def test_copies_are_never_divided(scene, scenes):
    pictures = {f"{'ab'[n % 2]}/{n}.png": scene(n) for n in range(40)}
    pictures |= {f"{'ab'[n % 2]}/copy of {n}.jpg": scene(n) for n in range(20)}
    images = scenes(pictures)
    for seed in range(5):
        where = {key: name for name, part in split(images, seed=seed)._asdict().items() for key in part.keys.tolist()}
        assert len(where) == 60
        assert all(where[f"{'ab'[n % 2]}/{n}.png"] == where[f"{'ab'[n % 2]}/copy of {n}.jpg"] for n in range(20))
        assert 8 <= sum(name == "test" for name in where.values()) <= 12


def test_without_copies_the_division_is_the_one_without_groups(photos):
    from striate.data.loaders.folder import load_folder

    images = load_folder(photos)
    for one, other in zip(split(images, seed=3), split_by_groups(images, seed=3), strict=True):
        assert one.keys.tolist() == other.keys.tolist()


@pytest.mark.heavy
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=30, max_size=120),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60)
def test_groups_of_any_size_stay_together_and_no_image_is_lost(pictures, seed):
    labels, groups = (np.array(side) for side in zip(*pictures, strict=True))
    names = np.unique(labels)
    if len(names) < 2:
        return
    images = from_arrays(np.zeros((len(labels), 1, 1), np.uint8), np.searchsorted(names, labels))
    try:
        parts = split_by_groups(images, seed=seed, groups=groups)
    except DataError:
        return
    where = {key: number for number, part in enumerate(parts) for key in part.keys.tolist()}
    assert len(where) == len(images) == sum(map(len, parts))
    place = np.array([where[key] for key in images.keys.tolist()])
    assert all(len(np.unique(place[groups == group])) == 1 for group in np.unique(groups))
    assert min(parts.train.count_by_class().values()) > 0
    assert min(map(len, parts)) > 0


def test_one_group_alone_cannot_be_divided():
    images = from_arrays(np.zeros((20, 1, 1), np.uint8), np.arange(20) % 2)
    with pytest.raises(DataError, match="too few images to divide"):
        split(images, groups=np.zeros(20, np.int64))

"""What tests of the training share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def digits():
    """Training and validation digits, decoded."""
    from striate.data.decoded_cache import decode_all
    from striate.data.loaders.load import load_images
    from striate.data.splits import split_stratified
    from striate.training.auto_config import plan, preprocessing_of
    from striate.training.recipe import Recipe

    splits = split_stratified(load_images("digits"))
    preprocessing = preprocessing_of(plan(Recipe(), splits.train))
    return tuple(decode_all(part, preprocessing) for part in (splits.train, splits.validation))

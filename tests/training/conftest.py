"""What tests of the training share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def digits():
    """Training and validation digits, decoded."""
    from striate.images.cache import decode_all
    from striate.images.sources.load import load_images
    from striate.images.split import split
    from striate.training.plan import plan, preprocessing_of
    from striate.training.recipe import Recipe

    splits = split(load_images("digits"))
    preprocessing = preprocessing_of(plan(Recipe(), splits.train))
    return tuple(decode_all(part, preprocessing) for part in (splits.train, splits.validation))

"""Records: what TensorBoard's own writer would write, byte for byte."""

from __future__ import annotations

import io

import numpy as np
import pytest

from striate.tensorboard.events import LANE_COUNT, MIN_LANED_BYTES, compute_crc32c, encode_record


def test_the_checksum_is_the_published_one():
    assert compute_crc32c(b"123456789") == 0xE3069283
    assert compute_crc32c(b"") == 0


@pytest.mark.parametrize(
    "size", [0, 1, 9, MIN_LANED_BYTES - 1, MIN_LANED_BYTES, MIN_LANED_BYTES + 1, 17 * LANE_COUNT + 5, 100_003]
)
def test_a_record_is_what_tensorboard_writes(size):
    writer = pytest.importorskip("tensorboard.summary.writer.record_writer")
    content, file = np.random.default_rng(size).bytes(size), io.BytesIO()
    writer.RecordWriter(file).write(content)
    assert encode_record(content) == file.getvalue()

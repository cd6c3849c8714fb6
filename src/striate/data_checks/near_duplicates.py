"""Which images show the same: copies, also re-encoded, resized, brightened or mirrored ones.

Three steps. A perceptual hash finds candidates: 64 bits, the signs of an image's lowest frequencies (Zauner 2010,
section 3.2.1; the bits are those of ImageHash's `phash`, for all images at once by SciPy's cosine transform). It
tells photographs apart but not, say, two white shirts, so candidates are then compared pixel by pixel, by the
correlation of their thumbnails, which neither brightness nor contrast changes. And two handwritten ones correlate
without being the same, so a pair must also be far closer than either is to what else there is (the ratio test of Lowe
2004, section 7.1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from striate.data_checks.image_stats import ImageStats
from striate.progress import NO_PROGRESS, Progress

HASH_SIDE = 8  # frequencies each way that make the hash; pixels each way that candidates are first compared by
MAX_HASH_DISTANCE = 10  # of 64, by which the hashes of candidates differ at most
MIN_CORRELATION = 0.97  # correlation from which on candidates may be the same image
COARSE_TOLERANCE = 0.01  # less, where they are compared coarsely, which nearly always shows copies even more alike
MAX_DISTANCE_RATIO = 0.2  # of the distance to what else there is, up to which they are
REFERENCE_SAMPLE_SIZE = 2000  # images that stand for what else there is
MAX_DUPLICATE_FRACTION, MIN_DUPLICATE_ALLOWANCE = (
    0.2,
    10,
)  # fraction of those that may be copies of one image; number that always may
BLOCK_ROWS, BLOCK_COLUMNS = 64, 4096  # hashes compared at a time: so many with so many, which a processor's cache holds
PAIRS_PER_BATCH = 16_384  # candidates compared at a time
MAX_MATCHES_PER_IMAGE = (
    20  # later images that an image is paired with at most, the most alike: enough to hang together by
)


@dataclass(frozen=True, eq=False)
class SimilarPairs:
    """Pairs of images that show the same, the fields parallel.

    Attributes:
        first: (n,) number of one image.
        second: (n,) number of the other, always the larger.
        similarity: (n,) correlation of their thumbnails, −1..1.
        is_mirrored: (n,) whether one is the other's mirror image.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    similarity: NDArray[np.float32]
    is_mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)


def find_near_duplicates(
    thumbnails: NDArray[np.uint8],
    *,
    max_hash_distance: int = MAX_HASH_DISTANCE,
    min_correlation: float = MIN_CORRELATION,
    max_distance_ratio: float = MAX_DISTANCE_RATIO,
    progress: Progress = NO_PROGRESS,
) -> SimilarPairs:
    """Returns the pairs of images that show the same, mirror images included; symmetric images count as plain.

    Args:
        thumbnails: (n, 32, 32) uint8, grayscale.
        max_hash_distance: by how many the hashes of candidates may differ.
        min_correlation: correlation from which on candidates may be the same image.
        max_distance_ratio: of the distance √(2 − 2 · correlation) to what else there is, up to which they are.
        progress: told the images compared.
    """
    total = len(thumbnails)
    hashes, mirrored = compute_perceptual_hashes(thumbnails), compute_perceptual_hashes(thumbnails[:, :, ::-1])
    coarse = _downscale_thumbnails(thumbnails)
    coarsely = (standardize_thumbnails(coarse), standardize_thumbnails(coarse[:, :, ::-1]))
    near = np.full(total, np.nan, np.float32)

    def match_block(start: int) -> SimilarPairs:
        found = []
        for is_mirrored, others in ((False, hashes), (True, mirrored)):
            for first, second in _iter_candidates(hashes, others, start, max_hash_distance):
                may_be = (
                    _multiply_rows(coarsely[0][first], coarsely[is_mirrored][second])
                    >= min_correlation - COARSE_TOLERANCE
                )
                first, second = first[may_be], second[may_be]  # noqa: PLW2901
                likeness = _compute_correlations(thumbnails, first, second, is_mirrored=is_mirrored)
                chosen = likeness >= min_correlation
                kind = np.full(int(chosen.sum()), is_mirrored)
                found.append(SimilarPairs(first[chosen], second[chosen], likeness[chosen], kind))
        return _keep_best_matches(_concatenate_pairs(found))

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress.track("comparing images", total, "images") as task,
    ):
        parts = []
        for start, found in zip(
            range(0, total, BLOCK_ROWS), pool.map(match_block, range(0, total, BLOCK_ROWS)), strict=True
        ):
            parts.append(found)
            task.advance(min(BLOCK_ROWS, total - start))
    pairs = _deduplicate_pairs(_concatenate_pairs(parts))
    concerned = np.unique(np.concatenate([pairs.first, pairs.second]))
    near[concerned] = _measure_reference_distances(thumbnails, concerned, min_correlation)
    distance = _to_distance(pairs.similarity)
    return _select_pairs(pairs, distance <= max_distance_ratio * np.minimum(near[pairs.first], near[pairs.second]))


def find_connected_groups(total: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns (total,) the number of the set that each image belongs to, where those of a pair are together; the
    numbers count from 0 in the order of the sets' first images.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(total, total))
    _, label = connected_components(graph, directed=False)
    _, earliest, inverse = np.unique(label, return_index=True, return_inverse=True)
    place = np.empty(len(earliest), np.int64)
    place[np.argsort(earliest)] = np.arange(len(earliest))
    result: NDArray[np.int64] = place[inverse]
    return result


def compute_perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Returns the (n,) hashes of thumbnails (n, 32, 32): bit by bit whether one of the LOW × LOW lowest frequencies of
    the cosine transform lies above their median.
    """
    from scipy.fft import dct

    lowest = np.empty((len(thumbnails), HASH_SIDE * HASH_SIDE), np.float32)
    for start in range(0, len(thumbnails), PAIRS_PER_BATCH):
        part = thumbnails[start : start + PAIRS_PER_BATCH].astype(np.float32)
        waves = dct(dct(part, axis=1, workers=-1)[:, :HASH_SIDE], axis=2, workers=-1)[:, :, :HASH_SIDE]
        lowest[start : start + PAIRS_PER_BATCH] = waves.reshape(len(part), -1)
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def _iter_candidates(
    hashes: NDArray[np.uint64], other_hashes: NDArray[np.uint64], start: int, max_hash_distance: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yields pairs of a block's images and later ones whose hashes differ by no more than that."""
    block = hashes[start : start + BLOCK_ROWS, None]
    for stripe in range(start + 1, len(hashes), BLOCK_COLUMNS):
        distances = np.bitwise_count(block ^ other_hashes[None, stripe : stripe + BLOCK_COLUMNS])
        row, column = np.nonzero(distances <= max_hash_distance)
        row, column = row + start, column + stripe
        row, column = row[column > row], column[column > row]
        for place in range(0, len(row), PAIRS_PER_BATCH):
            yield row[place : place + PAIRS_PER_BATCH], column[place : place + PAIRS_PER_BATCH]


def _downscale_thumbnails(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the thumbnails reduced to (n, LOW, LOW)."""
    total, side, _ = thumbnails.shape
    parts = thumbnails.reshape(total, HASH_SIDE, side // HASH_SIDE, HASH_SIDE, side // HASH_SIDE)
    result: NDArray[np.uint8] = parts.mean(axis=(2, 4), dtype=np.float32).round().astype(np.uint8)
    return result


def _compute_correlations(
    thumbnails: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64], *, is_mirrored: bool
) -> NDArray[np.float32]:
    other = thumbnails[second]
    return _multiply_rows(
        standardize_thumbnails(thumbnails[first]), standardize_thumbnails(other[:, :, ::-1] if is_mirrored else other)
    )


def _multiply_rows(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = np.einsum("ij,ij->i", first, second)
    return result


def standardize_thumbnails(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns (n, pixels) rows of mean 0 and length 1, so that a product of two is their correlation; an image of one
    color becomes a row of zeros, like none.
    """
    flat = thumbnails.reshape(len(thumbnails), prod(thumbnails.shape[1:])).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.where(length < 1, np.inf, length).astype(np.float32)
    return flat


def _measure_reference_distances(
    thumbnails: NDArray[np.uint8], indices: NDArray[np.int64], min_correlation: float
) -> NDArray[np.float32]:
    """Returns (len(numbers),) how far those images are from the nearest of a sample of all, plain or mirrored, that
    is not alike itself, since an image may have many copies. But where more than the share MOST of all is alike, they
    are no copies but the subject (parts on one background), and the distance is that to the last of this share.
    """
    sample = np.random.default_rng(0).permutation(len(thumbnails))[:REFERENCE_SAMPLE_SIZE]
    both = [standardize_thumbnails(thumbnails[sample]), standardize_thumbnails(thumbnails[sample][:, :, ::-1])]
    found = np.empty(len(indices), np.float32)
    for start in range(0, len(indices), BLOCK_ROWS):
        own = indices[start : start + BLOCK_ROWS]
        rows = standardize_thumbnails(thumbnails[own])
        likeness = np.maximum(rows @ both[0].T, rows @ both[1].T)
        rank = max(MIN_DUPLICATE_ALLOWANCE, int(MAX_DUPLICATE_FRACTION * likeness.shape[1]))
        subject = -np.partition(-likeness, rank, axis=1)[:, rank] if rank < likeness.shape[1] else np.float32(-1)
        other = np.where(likeness < min_correlation, likeness, -1).max(axis=1)
        found[start : start + BLOCK_ROWS] = _to_distance(np.maximum(subject, other))
    return found


def _to_distance(correlation: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = np.sqrt(np.maximum(0, 2 - 2 * correlation))
    return result


def _concatenate_pairs(parts: list[SimilarPairs]) -> SimilarPairs:
    if not parts:
        return SimilarPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, bool))
    columns = zip(*((one.first, one.second, one.similarity, one.is_mirrored) for one in parts), strict=True)
    return SimilarPairs(*map(np.concatenate, columns))


def _deduplicate_pairs(pairs: SimilarPairs) -> SimilarPairs:
    """Returns each pair once: of one that is alike both ways, the better way, plain where they are equal."""
    order = np.lexsort((pairs.is_mirrored, -pairs.similarity, pairs.second, pairs.first))
    pairs = _select_pairs(pairs, order)
    is_new = np.ones(len(pairs), bool)
    is_new[1:] = (pairs.first[1:] != pairs.first[:-1]) | (pairs.second[1:] != pairs.second[:-1])
    return _select_pairs(pairs, is_new)


def _keep_best_matches(pairs: SimilarPairs) -> SimilarPairs:
    """Returns, of each image's pairs with later ones, the MAX_MATCHES_PER_IMAGE most alike."""
    pairs = _select_pairs(pairs, np.lexsort((-pairs.similarity, pairs.first)))
    _, begin, number = np.unique(pairs.first, return_index=True, return_counts=True)
    rank = np.arange(len(pairs)) - np.repeat(begin, number)
    return _select_pairs(pairs, rank < MAX_MATCHES_PER_IMAGE)


def _select_pairs(pairs: SimilarPairs, selection: NDArray[np.bool_] | NDArray[np.intp]) -> SimilarPairs:
    return SimilarPairs(
        pairs.first[selection], pairs.second[selection], pairs.similarity[selection], pairs.is_mirrored[selection]
    )


COMPARISON_SAMPLE_SIZE = 4000  # images compared with one another


def find_cross_class_pairs(stats: ImageStats, count: int) -> list[tuple[int, int, float]]:
    """Returns (number, number, correlation of their thumbnails) of the pairs of images of different classes that are
    most alike, each image in one pair at most; of a large set, in a sample.
    """
    rows = np.random.default_rng(0).permutation(np.flatnonzero(stats.is_readable))[:COMPARISON_SAMPLE_SIZE]
    labels = stats.images.labels[rows]
    normal = standardize_thumbnails(stats.records["thumbnail"][rows])
    likeness = np.triu(normal @ normal.T, 1)
    likeness[labels[:, None] == labels[None]] = 0
    found: list[tuple[int, int, float]] = []
    used: set[int] = set()
    best = np.argpartition(-likeness, min(100 * count, likeness.size - 1), axis=None)[: 100 * count]
    for place in best[np.argsort(-likeness.ravel()[best])].tolist():
        a, b = divmod(place, len(rows))
        if likeness[a, b] <= 0 or len(found) == count:
            break
        if not {a, b} & used:
            used |= {a, b}
            found.append((int(rows[a]), int(rows[b]), float(likeness[a, b])))
    return found

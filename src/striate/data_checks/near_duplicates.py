"""Which pictures show the same: copies, also re-encoded, resized, brightened or mirrored ones.

Three steps. A perceptual hash finds candidates: 64 bits, the signs of a picture's lowest frequencies (Zauner 2010,
section 3.2.1; the bits are those of ImageHash's `phash`, for all pictures at once by SciPy's cosine transform). It
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

from striate.data_checks.image_stats import Survey
from striate.progress import SILENT, Progress

LOW = 8  # frequencies each way that make the hash; pixels each way that candidates are first compared by
BITS = 10  # of 64, by which the hashes of candidates differ at most
ALIKE = 0.97  # correlation from which on candidates may be the same picture
SLACK = 0.01  # less, where they are compared coarsely, which nearly always shows copies even more alike
RATIO = 0.2  # of the distance to what else there is, up to which they are
BACKGROUND_SAMPLE = 2000  # pictures that stand for what else there is
MOST, FEW = 0.2, 10  # share of those that may be copies of one picture; number that always may
BLOCK, STRIPE = 64, 4096  # hashes compared at a time: so many with so many, which a processor's cache holds
PAIRS = 16_384  # candidates compared at a time
PARTNERS = 20  # later pictures that a picture is paired with at most, the most alike: enough to hang together by


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of pictures that show the same, the fields parallel.

    Attributes:
        first: (n,) number of one picture.
        second: (n,) number of the other, always the larger.
        likeness: (n,) correlation of their thumbnails, −1..1.
        mirrored: (n,) whether one is the other's mirror image.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    likeness: NDArray[np.float32]
    mirrored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)


def similar_pairs(
    thumbnails: NDArray[np.uint8],
    *,
    bits: int = BITS,
    alike: float = ALIKE,
    ratio: float = RATIO,
    progress: Progress = SILENT,
) -> Pairs:
    """Returns the pairs of pictures that show the same, mirror images included; symmetric pictures count as plain.

    Args:
        thumbnails: (n, 32, 32) uint8, grey.
        bits: by how many the hashes of candidates may differ.
        alike: correlation from which on candidates may be the same picture.
        ratio: of the distance √(2 − 2 · correlation) to what else there is, up to which they are.
        progress: told the pictures compared.
    """
    total = len(thumbnails)
    hashes, mirrored = perceptual_hashes(thumbnails), perceptual_hashes(thumbnails[:, :, ::-1])
    coarse = _coarse(thumbnails)
    coarsely = (standardised(coarse), standardised(coarse[:, :, ::-1]))
    near = np.full(total, np.nan, np.float32)

    def job(start: int) -> Pairs:
        found = []
        for is_mirrored, others in ((False, hashes), (True, mirrored)):
            for first, second in _candidates(hashes, others, start, bits):
                may_be = _products(coarsely[0][first], coarsely[is_mirrored][second]) >= alike - SLACK
                first, second = first[may_be], second[may_be]  # noqa: PLW2901
                likeness = _correlations(thumbnails, first, second, is_mirrored=is_mirrored)
                chosen = likeness >= alike
                kind = np.full(int(chosen.sum()), is_mirrored)
                found.append(Pairs(first[chosen], second[chosen], likeness[chosen], kind))
        return _nearest(_joined(found))

    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress.task("comparing pictures", total, "pictures") as task,
    ):
        parts = []
        for start, found in zip(range(0, total, BLOCK), pool.map(job, range(0, total, BLOCK)), strict=True):
            parts.append(found)
            task.advance(min(BLOCK, total - start))
    pairs = _unique(_joined(parts))
    concerned = np.unique(np.concatenate([pairs.first, pairs.second]))
    near[concerned] = _surroundings(thumbnails, concerned, alike)
    distance = _distance(pairs.likeness)
    return _chosen(pairs, distance <= ratio * np.minimum(near[pairs.first], near[pairs.second]))


def groups_of(total: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns (total,) the number of the set that each picture belongs to, where those of a pair are together; the
    numbers count from 0 in the order of the sets' first pictures.
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


def perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Returns the (n,) hashes of thumbnails (n, 32, 32): bit by bit whether one of the LOW × LOW lowest frequencies of
    the cosine transform lies above their median.
    """
    from scipy.fft import dct

    lowest = np.empty((len(thumbnails), LOW * LOW), np.float32)
    for start in range(0, len(thumbnails), PAIRS):
        part = thumbnails[start : start + PAIRS].astype(np.float32)
        waves = dct(dct(part, axis=1, workers=-1)[:, :LOW], axis=2, workers=-1)[:, :, :LOW]
        lowest[start : start + PAIRS] = waves.reshape(len(part), -1)
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def _candidates(
    hashes: NDArray[np.uint64], others: NDArray[np.uint64], start: int, bits: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yields pairs of a block's pictures and later ones whose hashes differ by no more than that."""
    block = hashes[start : start + BLOCK, None]
    for stripe in range(start + 1, len(hashes), STRIPE):
        distances = np.bitwise_count(block ^ others[None, stripe : stripe + STRIPE])
        row, column = np.nonzero(distances <= bits)
        row, column = row + start, column + stripe
        row, column = row[column > row], column[column > row]
        for place in range(0, len(row), PAIRS):
            yield row[place : place + PAIRS], column[place : place + PAIRS]


def _coarse(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the thumbnails reduced to (n, LOW, LOW)."""
    total, side, _ = thumbnails.shape
    parts = thumbnails.reshape(total, LOW, side // LOW, LOW, side // LOW)
    result: NDArray[np.uint8] = parts.mean(axis=(2, 4), dtype=np.float32).round().astype(np.uint8)
    return result


def _correlations(
    thumbnails: NDArray[np.uint8], first: NDArray[np.int64], second: NDArray[np.int64], *, is_mirrored: bool
) -> NDArray[np.float32]:
    other = thumbnails[second]
    return _products(standardised(thumbnails[first]), standardised(other[:, :, ::-1] if is_mirrored else other))


def _products(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = np.einsum("ij,ij->i", one, two)
    return result


def standardised(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns (n, pixels) rows of mean 0 and length 1, so that a product of two is their correlation; a picture of one
    colour becomes a row of zeros, like none.
    """
    flat = thumbnails.reshape(len(thumbnails), prod(thumbnails.shape[1:])).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.where(length < 1, np.inf, length).astype(np.float32)
    return flat


def _surroundings(thumbnails: NDArray[np.uint8], numbers: NDArray[np.int64], alike: float) -> NDArray[np.float32]:
    """Returns (len(numbers),) how far those pictures are from the nearest of a sample of all, plain or mirrored, that
    is not alike itself, since a picture may have many copies. But where more than the share MOST of all is alike, they
    are no copies but the subject (parts on one background), and the distance is that to the last of this share.
    """
    sample = np.random.default_rng(0).permutation(len(thumbnails))[:BACKGROUND_SAMPLE]
    both = [standardised(thumbnails[sample]), standardised(thumbnails[sample][:, :, ::-1])]
    found = np.empty(len(numbers), np.float32)
    for start in range(0, len(numbers), BLOCK):
        own = numbers[start : start + BLOCK]
        rows = standardised(thumbnails[own])
        likeness = np.maximum(rows @ both[0].T, rows @ both[1].T)
        rank = max(FEW, int(MOST * likeness.shape[1]))
        subject = -np.partition(-likeness, rank, axis=1)[:, rank] if rank < likeness.shape[1] else np.float32(-1)
        other = np.where(likeness < alike, likeness, -1).max(axis=1)
        found[start : start + BLOCK] = _distance(np.maximum(subject, other))
    return found


def _distance(likeness: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = np.sqrt(np.maximum(0, 2 - 2 * likeness))
    return result


def _joined(parts: list[Pairs]) -> Pairs:
    if not parts:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, bool))
    columns = zip(*((one.first, one.second, one.likeness, one.mirrored) for one in parts), strict=True)
    return Pairs(*map(np.concatenate, columns))


def _unique(pairs: Pairs) -> Pairs:
    """Returns each pair once: of one that is alike both ways, the better way, plain where they are equal."""
    order = np.lexsort((pairs.mirrored, -pairs.likeness, pairs.second, pairs.first))
    pairs = _chosen(pairs, order)
    is_new = np.ones(len(pairs), bool)
    is_new[1:] = (pairs.first[1:] != pairs.first[:-1]) | (pairs.second[1:] != pairs.second[:-1])
    return _chosen(pairs, is_new)


def _nearest(pairs: Pairs) -> Pairs:
    """Returns, of each picture's pairs with later ones, the PARTNERS most alike."""
    pairs = _chosen(pairs, np.lexsort((-pairs.likeness, pairs.first)))
    _, begin, number = np.unique(pairs.first, return_index=True, return_counts=True)
    rank = np.arange(len(pairs)) - np.repeat(begin, number)
    return _chosen(pairs, rank < PARTNERS)


def _chosen(pairs: Pairs, which: NDArray[np.bool_] | NDArray[np.intp]) -> Pairs:
    return Pairs(pairs.first[which], pairs.second[which], pairs.likeness[which], pairs.mirrored[which])


NEIGHBOR_SAMPLE = 4000  # pictures compared with one another


def nearest_across(seen: Survey, count: int) -> list[tuple[int, int, float]]:
    """Returns (number, number, correlation of their thumbnails) of the pairs of pictures of different classes that are
    most alike, each picture in one pair at most; of a large set, in a sample.
    """
    rows = np.random.default_rng(0).permutation(np.flatnonzero(seen.is_readable))[:NEIGHBOR_SAMPLE]
    labels = seen.images.labels[rows]
    normal = standardised(seen.facts["thumbnail"][rows])
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

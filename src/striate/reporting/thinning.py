"""Lines of many points, with those left out that nobody could see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COLUMN = 0.25
"""Points of 1/72 inch: of what lies closer together along x, the extremes are kept."""

MOST = 2000


def thin(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a line (n, 2) without points that lie on the way between their neighbors; of a line of more than MOST
    points that goes from left to right, the first, lowest, highest and last of each narrow column.
    """
    if len(points) < 3:
        return points
    points = np.round(points, 2)
    points = points[np.r_[True, (np.diff(points, axis=0) != 0).any(axis=1)]]
    if len(points) > MOST and (np.diff(points[:, 0]) >= 0).all():
        points = points[_extremes(points)]
    if len(points) < 3:
        return points
    before, after = points[1:-1] - points[:-2], points[2:] - points[1:-1]
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return points[np.r_[True, (np.abs(turn) > 1e-9) | ((before * after).sum(axis=1) < 0), True]]


def _extremes(points: NDArray[np.float64]) -> NDArray[np.intp]:
    columns = (points[:, 0] // COLUMN).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(columns) != 0])
    order = np.lexsort((points[:, 1], columns))
    last = np.r_[starts[1:], len(points)] - 1
    return np.unique(np.concatenate([starts, last, order[starts], order[last]]))

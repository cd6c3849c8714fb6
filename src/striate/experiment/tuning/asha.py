"""The rungs at which a search ends the trainings that fall behind."""

from __future__ import annotations

from typing import Any

ETA = 3
"""Of so many trainings that reach a rung, one goes on; and each rung lies at so many times the epochs of the last."""


def rungs(epochs: int, eta: int = ETA) -> tuple[int, ...]:
    """Returns the epochs after which trainings are compared: 1, η, η², …, all below `epochs` (Li et al. 2020, A System
    for Massively Parallel Hyperparameter Tuning, algorithm 2, with least resource 1 and early-stopping rate 0).
    """
    found, rung = [], 1
    while rung < epochs:
        found.append(rung)
        rung *= eta
    return tuple(found)


def pruner(eta: int | None) -> Any:
    """Returns Optuna's asynchronous successive halving with these rungs; for None, what ends no training."""
    import optuna

    if eta is None:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=eta, min_early_stopping_rate=0)

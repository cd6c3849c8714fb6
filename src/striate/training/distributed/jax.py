"""Data parallelism on JAX, by `keras.distribution`: every array is one of all processes, and XLA makes the sums."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from numpy.typing import NDArray

from striate.system.backend import keras
from striate.training.distributed.strategy import LogitsFunction

HEARTBEAT_TIMEOUT_SECONDS = 10  # seconds after which a silent process is taken for dead
START_TIMEOUT_SECONDS = 120  # seconds in which all have to be there


class JaxStrategy:
    """One of several JAX processes; to be made before anything is computed. See parallel.Parallel.

    Args:
        rank: its number.
        world_size: how many there are.
        coordinator: HOST:PORT on the first one's computer, which all others reach.
    """

    def __init__(self, rank: int, world_size: int, coordinator: str) -> None:
        self.rank, self.world_size = rank, world_size
        if not jax.distributed.is_initialized():
            jax.distributed.initialize(
                coordinator,
                world_size,
                rank,
                heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT_SECONDS,
                initialization_timeout=START_TIMEOUT_SECONDS,
            )
        devices = keras.distribution.list_devices()
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))

    def wrap_model(self, model: Any, batch_size: int) -> Any:
        """Returns the model itself: what it is fed is distributed, and so its steps are."""
        return model

    def get_logits_function(self, model: Any) -> LogitsFunction:
        """See Parallel. The weights are the same everywhere, and are taken from here."""
        trainable, fixed = (
            [np.asarray(variable.value) for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        )
        run = _get_compiled_function(model)
        return lambda pixels: np.asarray(run(trainable, fixed, pixels))

    def all_gather(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Parallel."""
        found = multihost_utils.process_allgather(values.view(np.int32).reshape(-1))  # JAX would round to 32 bits
        return np.asarray(found, np.int32).reshape(self.world_size, -1).view(np.float64)


def _get_compiled_function(model: Any) -> Any:
    """Returns the model at rest as a compiled function of its variables; the same one each time it is asked for."""
    if not hasattr(model, "_striate_at_rest"):

        @jax.jit  # type: ignore[untyped-decorator]
        def compute_logits(trainable: Any, non_trainable: Any, pixels: Any) -> Any:
            return model.stateless_call(trainable, non_trainable, pixels, training=False)[0].astype("float32")

        object.__setattr__(model, "_striate_at_rest", compute_logits)
    return model._striate_at_rest

"""Training without learning, for tests of what is kept about trainings: everything around the steps is real.

Takes the place of what runs a model's epochs, so that models, the loop, its callbacks, checkpoints, signals and the
choice of the best epoch are the real ones. Nothing is traced and no gradient is computed: each epoch changes the
weights a little by a rule, and its figures follow from the epoch's number and the learning rate. What a model has
learned is tested elsewhere, on real trainings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

BEST_RATE = 1e-3  # the learning rate whose figures are best


def run(
    epochs: Any,
    dataset: Any,
    validation_batches: Any,
    *,
    initial_epoch: int = 0,
    stop_epoch: int = 1,
    callbacks: Sequence[Any] = (),
) -> None:
    """Goes from epoch number `initial_epoch` to before number `stop_epoch`, in the place of `EpochRunner.run`, and
    calls every callback where that does.
    """
    from striate.system.backend import keras

    model, steps = epochs.model, len(dataset)
    epochs.build_metrics(dataset.batches)
    listed = keras.callbacks.CallbackList(list(callbacks), model=model, verbose=0)
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    chance = math.log(model.output_shape[-1])
    model.stop_training = False
    listed.on_train_begin()
    for epoch in range(initial_epoch, stop_epoch):
        listed.on_epoch_begin(epoch)
        logs = figures(epoch, rate, chance)
        for step in range(steps):
            listed.on_train_batch_begin(step)
            listed.on_train_batch_end(step, logs)
            if model.stop_training:
                break
        for variable in model.trainable_variables:
            variable.assign(variable * (1 + 0.01 / (epoch + 1)))
        if validation_batches is not None:
            listed.on_test_begin()
            listed.on_test_batch_end(0, logs)
            listed.on_test_end(logs)
            logs = logs | {f"val_{name}": value for name, value in figures(epoch, rate, 1.05 * chance).items()}
        listed.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    listed.on_train_end()


def figures(epoch: int, rate: float, chance: float) -> dict[str, float]:
    """Returns loss and accuracy after an epoch: better with every epoch, and the nearer the rate is to the best one."""
    speed = 1 / (1 + abs(math.log10(rate / BEST_RATE)))
    left = math.exp(-speed * (epoch + 1) / 2)
    return {"loss": chance * left, "accuracy": 1 - 0.9 * left}

"""A model's epochs: on TensorFlow several steps a call, in a loop of this module's own; elsewhere by Keras' `fit`.

Keras' `fit` on TensorFlow takes each batch from a `tf.data` pipeline, which is begun anew for every epoch and every
validation, and wraps each step in conditions on whether there is another batch. For small models that takes as long
as learning does. Here the batches of a call are one array, which a plain loop in the graph goes through; the step
within is Keras' own, `train_step` and `test_step` of the model, and callbacks are called as `fit` calls them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from striate.data.batches import Batch, Batches
from striate.system.backend import ACTIVE_BACKEND, keras
from striate.training.data_loader import PrefetchDataset

MAX_STEPS_PER_CALL = 10  # in a call, which costs about a millisecond
MAX_BYTES_PER_CALL = 8 << 20  # of a call's images
MAX_CACHED_BYTES = 64 << 20  # bytes of validation images that are handed to TensorFlow once, not for every validation

Logs = dict[str, float]
"""Name of a metric → its mean over the epoch so far."""


class EpochRunner:
    """Runs epochs of one compiled model; what is traced of it is traced once.

    Args:
        model: compiled, its optimizer built.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._has_custom_loop = ACTIVE_BACKEND.name == "tensorflow"
        self._train_function: Callable[..., Any] | None = None
        self._test_function: Callable[..., Any] | None = None
        self._cached_validation: tuple[Batches, list[tuple[Any, Any]]] | None = None

    def run(
        self,
        dataset: PrefetchDataset,
        validation_batches: Batches | None,
        *,
        initial_epoch: int = 0,
        stop_epoch: int = 1,
        callbacks: Sequence[Any] = (),
    ) -> None:
        """Trains from epoch number `first` to before number `until`, and validates after each.

        Args:
            dataset: the training batches; a callback sets their epoch.
            validation_batches: validation batches; None where a callback validates, or nothing does.
            initial_epoch: the first epoch, from 0.
            stop_epoch: the epoch before which training ends.
            callbacks: Keras' callbacks.
        """
        if not self._has_custom_loop:
            self.model.fit(
                dataset,
                initial_epoch=initial_epoch,
                epochs=stop_epoch,
                validation_data=None if validation_batches is None else PrefetchDataset(validation_batches),
                callbacks=list(callbacks),
                shuffle=False,
                verbose=0,
            )
            return
        listed = keras.callbacks.CallbackList(
            list(callbacks), model=self.model, verbose=0, epochs=stop_epoch, steps=len(dataset)
        )
        self.model.stop_training = False
        self.build_metrics(dataset.batches)
        logs: Logs = {}
        listed.on_train_begin()
        for epoch in range(initial_epoch, stop_epoch):
            self.model.reset_metrics()
            listed.on_epoch_begin(epoch)
            logs = self._run_steps(dataset, listed)
            if validation_batches is not None:
                found = self.evaluate(validation_batches, listed)
                logs |= {f"val_{name}": value for name, value in found.items()}
            listed.on_epoch_end(epoch, logs)
            if self.model.stop_training:
                break
        listed.on_train_end(logs)

    def evaluate(self, validation_batches: Batches, callbacks: Any = None) -> Logs:
        """Returns the metrics over the validation batches.

        Args:
            validation_batches: the batches.
            callbacks: a CallbackList that is told of each batch; None for nobody.
        """
        if not self._has_custom_loop:
            logs: Logs = self.model.evaluate(PrefetchDataset(validation_batches), verbose=0, return_dict=True)
            return logs
        self.build_metrics(validation_batches)
        listed = callbacks or keras.callbacks.CallbackList([], model=self.model)
        self._test_function = self._test_function or _build_test_function(self.model, validation_batches)
        logs = {}
        listed.on_test_begin()
        self.model.reset_metrics()
        for index, batch in enumerate(self._load_validation_batches(validation_batches)):
            listed.on_test_batch_begin(index)
            logs = _to_floats(self._test_function(*batch))
            listed.on_test_batch_end(index, logs)
        listed.on_test_end(logs)
        return logs

    def build_metrics(self, batches: Batches) -> None:
        """Makes the variables of the metrics, which Keras otherwise makes while it traces the first step, and traces it
        again: a checkpoint's sums can be restored then, too.
        """
        if not self._has_custom_loop or self._train_function is not None or self._test_function is not None:
            return
        targets = np.zeros((1, batches.targets.shape[1]), np.float32)
        for part in (self.model._compile_loss, self.model._compile_metrics):  # which have no public name
            if part is not None and not part.built:
                part.build(targets, targets)

    def _run_steps(self, dataset: PrefetchDataset, callbacks: Any) -> Logs:
        """Returns the metrics of an epoch's steps, or of those before it was stopped."""
        self._train_function = self._train_function or _build_train_function(self.model, dataset.batches)
        done, logs = 0, Logs()
        with contextlib.closing(dataset.iter_groups(compute_steps_per_call(dataset.batches))) as groups:
            for group in groups:
                callbacks.on_train_batch_begin(done)
                logs = _to_floats(self._train_function(*map(np.stack, zip(*group, strict=True))))
                done += len(group)
                callbacks.on_train_batch_end(done - 1, logs)
                if self.model.stop_training:
                    break
        return logs

    def _load_validation_batches(
        self, validation_batches: Batches
    ) -> Iterator[tuple[Any, Any]] | list[tuple[Any, Any]]:
        """Returns the validation batches, as tensors where they are kept from one epoch to the next."""
        import tensorflow as tf

        if self._cached_validation is not None and self._cached_validation[0] is validation_batches:
            return self._cached_validation[1]
        if validation_batches.pixels.nbytes > MAX_CACHED_BYTES:
            return _iter_batches(PrefetchDataset(validation_batches))
        batches = [validation_batches[index] for index in range(len(validation_batches))]
        self._cached_validation = (
            validation_batches,
            [(tf.constant(images), tf.constant(targets)) for images, targets in batches],
        )
        return self._cached_validation[1]


def compute_steps_per_call(batches: Batches) -> int:
    """Returns how many steps one call makes: several on TensorFlow, unless their images are large."""
    if ACTIVE_BACKEND.name != "tensorflow":
        return 1
    one = batches.batch_size * int(np.prod(batches.pixels.shape[1:])) * batches.pixels.itemsize
    return max(1, min(MAX_STEPS_PER_CALL, len(batches), MAX_BYTES_PER_CALL // max(1, one)))


def _iter_batches(dataset: PrefetchDataset) -> Iterator[Batch]:
    for (one,) in dataset.iter_groups(1):
        yield one


def _build_train_function(model: Any, batches: Batches) -> Callable[..., Any]:
    """Returns a function that makes a step with each of several batches, stacked, and returns the running metrics."""
    import tensorflow as tf

    @tf.function(autograph=False, input_signature=_build_input_signature(batches, (None, batches.batch_size)))  # type: ignore[untyped-decorator]
    def train_batches(images: Any, targets: Any) -> Any:
        def train_batch(index: Any) -> Any:
            model.train_step((images[index], targets[index]))
            return index + 1

        count = tf.shape(images)[0]
        tf.while_loop(lambda index: index < count, train_batch, [0], parallel_iterations=1)
        return model.get_metrics_result()

    return train_batches  # type: ignore[no-any-return]


def _build_test_function(model: Any, batches: Batches) -> Callable[..., Any]:
    """Returns a function that adds a batch to the running metrics and returns them."""
    import tensorflow as tf

    @tf.function(autograph=False, input_signature=_build_input_signature(batches, (None,)))  # type: ignore[untyped-decorator]
    def test_batch(images: Any, targets: Any) -> Any:
        return model.test_step((images, targets))

    return test_batch  # type: ignore[no-any-return]


def _build_input_signature(batches: Batches, leading_shape: tuple[int | None, ...]) -> tuple[Any, Any]:
    """Returns the specifications of images and one-hot labels, `leading_shape` before each one's own shape."""
    import tensorflow as tf

    return (
        tf.TensorSpec((*leading_shape, *batches.pixels.shape[1:]), batches.pixels.dtype),
        tf.TensorSpec((*leading_shape, batches.targets.shape[1]), tf.float32),
    )


def _to_floats(logs: Any) -> Logs:
    return {name: float(value) for name, value in logs.items()}

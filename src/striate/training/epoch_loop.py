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
from striate.training.data_loader import Feed

MAX_STEPS = 10  # in a call, which costs about a millisecond
MAX_BYTES = 8 << 20  # of a call's images
MAX_HELD = 64 << 20  # bytes of validation images that are handed to TensorFlow once, not for every validation

Logs = dict[str, float]
"""Name of a metric → its mean over the epoch so far."""


class Epochs:
    """Runs epochs of one compiled model; what is traced of it is traced once.

    Args:
        model: compiled, its optimizer built.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._is_ours = ACTIVE_BACKEND.name == "tensorflow"
        self._train: Callable[..., Any] | None = None
        self._test: Callable[..., Any] | None = None
        self._held: tuple[Batches, list[tuple[Any, Any]]] | None = None

    def run(
        self, feed: Feed, held_out: Batches | None, *, first: int = 0, until: int = 1, callbacks: Sequence[Any] = ()
    ) -> None:
        """Trains from epoch number `first` to before number `until`, and validates after each.

        Args:
            feed: the training batches; a callback sets their epoch.
            held_out: validation batches; None where a callback validates, or nothing does.
            first: the first epoch, from 0.
            until: the epoch before which training ends.
            callbacks: Keras' callbacks.
        """
        if not self._is_ours:
            self.model.fit(
                feed,
                initial_epoch=first,
                epochs=until,
                validation_data=None if held_out is None else Feed(held_out),
                callbacks=list(callbacks),
                shuffle=False,
                verbose=0,
            )
            return
        listed = keras.callbacks.CallbackList(
            list(callbacks), model=self.model, verbose=0, epochs=until, steps=len(feed)
        )
        self.model.stop_training = False
        self.make_sums(feed.batches)
        logs: Logs = {}
        listed.on_train_begin()
        for epoch in range(first, until):
            self.model.reset_metrics()
            listed.on_epoch_begin(epoch)
            logs = self._run_steps(feed, listed)
            if held_out is not None:
                found = self.evaluate(held_out, listed)
                logs |= {f"val_{name}": value for name, value in found.items()}
            listed.on_epoch_end(epoch, logs)
            if self.model.stop_training:
                break
        listed.on_train_end(logs)

    def evaluate(self, held_out: Batches, callbacks: Any = None) -> Logs:
        """Returns the metrics over the validation batches.

        Args:
            held_out: the batches.
            callbacks: a CallbackList that is told of each batch; None for nobody.
        """
        if not self._is_ours:
            logs: Logs = self.model.evaluate(Feed(held_out), verbose=0, return_dict=True)
            return logs
        self.make_sums(held_out)
        listed = callbacks or keras.callbacks.CallbackList([], model=self.model)
        self._test = self._test or _tested(self.model, held_out)
        logs = {}
        listed.on_test_begin()
        self.model.reset_metrics()
        for index, batch in enumerate(self._validation(held_out)):
            listed.on_test_batch_begin(index)
            logs = _floats(self._test(*batch))
            listed.on_test_batch_end(index, logs)
        listed.on_test_end(logs)
        return logs

    def make_sums(self, batches: Batches) -> None:
        """Makes the variables of the metrics, which Keras otherwise makes while it traces the first step, and traces it
        again: a checkpoint's sums can be restored then, too.
        """
        if not self._is_ours or self._train is not None or self._test is not None:
            return
        targets = np.zeros((1, batches.targets.shape[1]), np.float32)
        for part in (self.model._compile_loss, self.model._compile_metrics):  # which have no public name
            if part is not None and not part.built:
                part.build(targets, targets)

    def _run_steps(self, feed: Feed, callbacks: Any) -> Logs:
        """Returns the metrics of an epoch's steps, or of those before it was stopped."""
        self._train = self._train or _trained(self.model, feed.batches)
        done, logs = 0, Logs()
        with contextlib.closing(feed.groups(steps_per_call(feed.batches))) as groups:
            for group in groups:
                callbacks.on_train_batch_begin(done)
                logs = _floats(self._train(*map(np.stack, zip(*group, strict=True))))
                done += len(group)
                callbacks.on_train_batch_end(done - 1, logs)
                if self.model.stop_training:
                    break
        return logs

    def _validation(self, held_out: Batches) -> Iterator[tuple[Any, Any]] | list[tuple[Any, Any]]:
        """Returns the validation batches, as tensors where they are kept from one epoch to the next."""
        import tensorflow as tf

        if self._held is not None and self._held[0] is held_out:
            return self._held[1]
        if held_out.pixels.nbytes > MAX_HELD:
            return _singles(Feed(held_out))
        batches = [held_out[index] for index in range(len(held_out))]
        self._held = held_out, [(tf.constant(images), tf.constant(targets)) for images, targets in batches]
        return self._held[1]


def steps_per_call(batches: Batches) -> int:
    """Returns how many steps one call makes: several on TensorFlow, unless their images are large."""
    if ACTIVE_BACKEND.name != "tensorflow":
        return 1
    one = batches.batch_size * int(np.prod(batches.pixels.shape[1:])) * batches.pixels.itemsize
    return max(1, min(MAX_STEPS, len(batches), MAX_BYTES // max(1, one)))


def _singles(feed: Feed) -> Iterator[Batch]:
    for (one,) in feed.groups(1):
        yield one


def _trained(model: Any, batches: Batches) -> Callable[..., Any]:
    """Returns a function that makes a step with each of several batches, stacked, and returns the running metrics."""
    import tensorflow as tf

    @tf.function(autograph=False, input_signature=_signature(batches, (None, batches.batch_size)))  # type: ignore[untyped-decorator]
    def run(images: Any, targets: Any) -> Any:
        def step(index: Any) -> Any:
            model.train_step((images[index], targets[index]))
            return index + 1

        count = tf.shape(images)[0]
        tf.while_loop(lambda index: index < count, step, [0], parallel_iterations=1)
        return model.get_metrics_result()

    return run  # type: ignore[no-any-return]


def _tested(model: Any, batches: Batches) -> Callable[..., Any]:
    """Returns a function that adds a batch to the running metrics and returns them."""
    import tensorflow as tf

    @tf.function(autograph=False, input_signature=_signature(batches, (None,)))  # type: ignore[untyped-decorator]
    def run(images: Any, targets: Any) -> Any:
        return model.test_step((images, targets))

    return run  # type: ignore[no-any-return]


def _signature(batches: Batches, sizes: tuple[int | None, ...]) -> tuple[Any, Any]:
    """Returns the specifications of images and one-hot labels, `sizes` before each one's own shape."""
    import tensorflow as tf

    return (
        tf.TensorSpec((*sizes, *batches.pixels.shape[1:]), batches.pixels.dtype),
        tf.TensorSpec((*sizes, batches.targets.shape[1]), tf.float32),
    )


def _floats(logs: Any) -> Logs:
    return {name: float(value) for name, value in logs.items()}

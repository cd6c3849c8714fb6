"""Batch-norm (Ioffe and Szegedy 2015, algorithms 1 and 2) by TensorFlow's own kernel while a model trains.

Keras writes it out in eight operations, in float32 whatever the model computes in. TensorFlow's kernel does them in
one, on bfloat16 too: ResNet-20 learns 1.3 times as fast in float32 and 1.7 times in bfloat16 (2 cores, AVX-512). The
model itself stays one of plain Keras layers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from striate.system.backend import ACTIVE_BACKEND, keras


@contextlib.contextmanager
def use_fused_batch_norm(model: Any) -> Iterator[None]:
    """Within the block, what is traced of the model uses the fused kernel; nothing changes on other backends."""
    layers = (
        []
        if ACTIVE_BACKEND.name != "tensorflow"
        else [layer for layer in iter_leaf_layers(model) if _is_fusible(layer)]
    )
    for layer in layers:
        layer.call = _build_fused_call(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def iter_leaf_layers(model: Any) -> Iterator[Any]:
    """Yields a model's layers, those of models within the model too."""
    for layer in model.layers:
        yield from iter_leaf_layers(layer) if hasattr(layer, "layers") else (layer,)


def _is_fusible(layer: Any) -> bool:
    """Batch-norm of maps (b, h, w, c), a batch's own statistics and no more."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.built
        and layer.input_spec.ndim == 4
        and layer.axis in (-1, 3)
        and not layer.synchronized
        and not getattr(layer, "renorm", False)
    )


def _build_fused_call(layer: Any) -> Callable[..., Any]:
    """Returns what takes the place of the layer's `call`: the same arithmetic, the running variance the biased one."""
    import tensorflow as tf

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        channels = inputs.shape[-1]
        scale = layer.gamma.value if layer.scale else tf.ones([channels])
        offset = layer.beta.value if layer.center else tf.zeros([channels])
        if not (training and layer.trainable):
            return tf.raw_ops.FusedBatchNormV3(
                x=inputs,
                scale=scale,
                offset=offset,
                mean=layer.moving_mean.value,
                variance=layer.moving_variance.value,
                epsilon=layer.epsilon,
                is_training=False,
            ).y
        done = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=layer.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(inputs) // channels, tf.float32)
        biased = done.batch_variance * ((count - 1) / count)  # the kernel's is the unbiased one
        for running, new in ((layer.moving_mean, done.batch_mean), (layer.moving_variance, biased)):
            running.assign(running.value * layer.momentum + new * (1 - layer.momentum))
        return done.y

    return call

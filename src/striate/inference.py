"""A network's forward pass for many pictures, as fast as the backend gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.backend import CHOICE


def forward(model: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Returns a function from a batch of inputs to the model's outputs, with the weights that it has now: where they
    have changed, ask for another.

    On TensorFlow the weights become constants of the graph, which lets it fold batch-norm into the convolutions before
    it: MobileNetV2 at 128 pixels answers 1.6 times as many pictures a second on two cores as through
    `predict_on_batch`, which the other backends use. A batch of another size than before is compiled anew.
    """
    if CHOICE.name != "tensorflow":
        answer: Callable[[NDArray[Any]], NDArray[Any]] = model.predict_on_batch
        return answer
    import tensorflow as tf

    trainable, fixed = (
        [tf.constant(np.asarray(variable.value)) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )

    @tf.function(autograph=False, reduce_retracing=False)  # type: ignore[untyped-decorator]
    def run(pictures: Any) -> Any:
        return model.stateless_call(trainable, fixed, pictures, training=False)[0]

    return lambda pictures: np.asarray(run(tf.constant(pictures)))

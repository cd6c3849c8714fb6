"""A recipe's optimizer: TensorFlow's operation for a step does what Keras' own optimizer does."""

from __future__ import annotations

import numpy as np
import pytest

from striate.system.backend import keras
from striate.training.optimizers import make_optimizer
from striate.training.recipe import Recipe

pytestmark = pytest.mark.backend
RATES = {"schedule": "cosine", "warmup": 0.25, "learning_rate": 0.05}


def _moved(optimizer, *, constraint=None, steps=8):
    """Returns the variables, and the optimizer's, after some steps along fixed gradients."""
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (4,)]
    layer = keras.layers.Dense(4, kernel_constraint=constraint)
    layer.build((None, 3))
    layer.set_weights([rng.normal(size=shape).astype(np.float32) for shape in shapes])
    optimizer.build(layer.trainable_variables)
    for _ in range(steps):
        gradients = [keras.ops.convert_to_tensor(rng.normal(size=shape).astype(np.float32)) for shape in shapes]
        optimizer.apply(gradients, layer.trainable_variables)
    variables = [*layer.trainable_variables, *optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def _own(recipe):
    """Returns Keras' own optimizer of the recipe's kind."""
    rate = make_optimizer(recipe, recipe.learning_rate, steps=8)._learning_rate
    if recipe.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay or None)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "adam"},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "weight_decay": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("constraint", [None, "non_neg"])
def test_its_steps_are_those_of_keras(settings, constraint):
    recipe = Recipe(**RATES, **settings)
    expected = _moved(_own(recipe), constraint=constraint)
    found = _moved(make_optimizer(recipe, recipe.learning_rate, steps=8), constraint=constraint)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)

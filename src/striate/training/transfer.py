"""Training that begins with pretrained weights: first the last layer alone, then, if asked, the layers below it.

1. The backbone rests. What it sees of every image is computed once (features.py), and the last layer learns from
   that in seconds. There are no random changes to the images here: they would have to be looked at anew each epoch.
2. Fine-tuning, in two stages of half the epochs each: the upper third of the backbone learns too, then all of it.
   Rates fall by RATE_DECAY from the last layer to the upper third, the middle one and the lowest (discriminative
   fine-tuning and gradual unfreezing: Howard and Ruder 2018, sections 3.2 and 3.3).

With a number of minutes, the last layer still learns for its own epochs, which take seconds, and only as many epochs
of fine-tuning are made as fit what is left (see budget.fine_tuning_within): a bound, not a target.

The known traps: batch-norm rests throughout, statistics and scales, since a batch of the new images would overwrite
what a million taught it; the last layer learns before the backbone, or its first gradients, which are noise, would
wreck it; every stage compiles anew, without which Keras would not notice what has begun to learn; and every stage has
an optimizer of its own, whose moments belong to its rates.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.data.batches import Batches
from striate.data.decoded_cache import DecodedSet
from striate.models.predictor import compile_predict_function, hash_weights
from striate.models.pretrained import list_backbone_layers
from striate.progress import Progress
from striate.system.array_cache import ArrayCache
from striate.system.backend import ACTIVE_BACKEND, keras
from striate.training.loop import Loop, explained
from striate.training.optimizers import make_optimizer
from striate.training.recipe import Recipe

FEATURE_BATCH_SIZE = 128  # images per forward pass
FEATURE_CACHE = ArrayCache("features", max_bytes=2 << 30)
"""Where features are kept between trainings."""


def extract_features(
    model: Any, pixels: NDArray[np.uint8], *, progress: Progress, policy: str = "float32"
) -> NDArray[np.float32]:
    """Returns (n, d) float32: the layer `embedding` for every image (n, h, w, c), the model at rest (dropout off,
    batch-norm with its stored statistics), in the arithmetic of a dtype policy (float32 or bfloat16).

    They are looked up first in the user's cache folder, by the images, the layers, the weights and the arithmetic:
    whatever changes an embedding changes its name.
    """
    extractor = keras.Model(model.input, model.get_layer("embedding").output)
    key, shape = _compute_cache_key(extractor, pixels, policy), (len(pixels), extractor.output_shape[1])
    known = FEATURE_CACHE.get(key)
    if known is not None and known[0].shape == shape and known[0].dtype == np.float32:
        progress.log(f"What the model sees of {len(pixels):,} images is known from an earlier training.")
        return known[0]
    found = np.empty(shape, np.float32)
    see = compile_predict_function(extractor, policy)
    with progress.track("looking at images", len(pixels), "images") as task:
        for start in range(0, len(pixels), FEATURE_BATCH_SIZE):
            part = pixels[start : start + FEATURE_BATCH_SIZE]
            filled = part if len(part) == FEATURE_BATCH_SIZE else np.resize(part, (FEATURE_BATCH_SIZE, *part.shape[1:]))
            found[start : start + FEATURE_BATCH_SIZE] = see(filled)[: len(part)]
            task.advance(len(part))
    FEATURE_CACHE.put(key, found)
    return found


def _compute_cache_key(extractor: Any, pixels: NDArray[np.uint8], policy: str) -> str:
    """Returns 64 hexadecimal digits made of everything that the embeddings depend on."""
    layers = [(type(layer).__name__, {**layer.get_config(), "name": None}) for layer in extractor.layers]
    described = json.dumps(layers, default=str, sort_keys=True)
    digest = hashlib.sha256(f"{keras.__version__} {ACTIVE_BACKEND.name} {policy} {pixels.shape} {described}".encode())
    hash_weights(extractor, digest)
    for start in range(0, len(pixels), 1024):
        digest.update(np.ascontiguousarray(pixels[start : start + 1024]).data)
    return digest.hexdigest()


RATE_DECAY = 2.6
"""Between one group of layers and the next below (Howard and Ruder 2018, section 3.2)."""

VALIDATION_BATCH_SIZE = 256  # images; no gradients are kept, so more than while training
LAYER_GROUP_COUNT = 3  # parts of the backbone, by number of layers with weights


def build_feature_batches(
    model: Any, train: DecodedSet, validation: DecodedSet, recipe: Recipe, *, progress: Progress
) -> tuple[Batches, Batches]:
    """Returns what the resting backbone sees of the images: batches to train on and batches to choose by.

    Raises:
        TrainingError: the machine's memory does not suffice.
    """
    assert recipe.batch  # noqa: S101  (plan() filled it)
    number = len(train.images.classes)
    with explained(recipe):
        policy = "float32" if recipe.precision == "float32" else "bfloat16"
        vectors = [
            extract_features(model, part.pixels, progress=progress, policy=policy) for part in (train, validation)
        ]
    return (
        Batches(vectors[0], train.images.labels, number, recipe.batch, shuffle_seed=recipe.seed),
        Batches(vectors[1], validation.images.labels, number, VALIDATION_BATCH_SIZE),
    )


def train_head(model: Any, feature_batches: Batches, validation_batches: Batches, recipe: Recipe, loop: Loop) -> None:
    """Trains the last layer on what `seen_by` returns; the model has the kept epoch's weights afterwards."""
    assert recipe.epochs  # noqa: S101  (plan() filled it)
    head = keras.Sequential(
        [keras.Input(feature_batches.pixels.shape[1:]), *(_copy_layer(layer) for layer in _get_head_layers(model))]
    )
    head.layers[-1].set_weights(model.get_layer("logits").get_weights())

    def get_full_model() -> Any:
        model.get_layer("logits").set_weights(head.layers[-1].get_weights())
        return model

    loop.learn(
        head,
        feature_batches,
        validation_batches,
        epochs=recipe.epochs,
        optimizer=make_optimizer(recipe, recipe.learning_rate, steps=len(feature_batches) * recipe.epochs),
        name="training the last layer",
        whole=get_full_model,
    )
    logits, last = model.get_layer("logits"), head.layers[-1].get_weights()
    loop.best.restore()
    logits.set_weights(head.layers[-1].get_weights())
    loop.best.set_model(model)
    loop.best.weights = model.get_weights()  # the best so far, should no epoch of fine-tuning surpass it
    if loop.history().best_epoch != loop.best.best_epoch:
        logits.set_weights(last)


def fine_tune(
    model: Any, batches: Batches, validation_batches: Batches, recipe: Recipe, loop: Loop, start_stage: int = 0
) -> None:
    """Trains the whole model further, from above; the model has the kept epoch's weights afterwards. `start_stage` is
    the one that a checkpoint was found of: those before it are done.
    """
    assert recipe.fine_tune_rate  # noqa: S101  (plan() filled it)
    groups = split_layer_groups(model)
    first = recipe.fine_tune // 2
    for number, thawed, epochs in ((1, 1, first), (2, LAYER_GROUP_COUNT, recipe.fine_tune - first)):
        if not epochs or number < start_stage or loop.end.is_enough or (loop.stop.asked and number != start_stage):
            continue
        factors = unfreeze_groups(groups, thawed)
        optimizer = make_optimizer(recipe, recipe.fine_tune_rate, steps=len(batches) * epochs, rate_factors=factors)
        loop.learn(
            model, batches, validation_batches, epochs=epochs, optimizer=optimizer, stage=number, name="fine-tuning"
        )
    if loop.history().best_epoch == loop.best.best_epoch:
        loop.best.restore()


def split_layer_groups(model: Any) -> list[list[Any]]:
    """Returns the backbone's layers that have weights, batch-norm left out, in GROUPS parts from the top down."""
    layers = [
        layer
        for layer in list_backbone_layers(model)
        if layer.weights and not isinstance(layer, keras.layers.BatchNormalization)
    ]
    bounds = [round(len(layers) * part / LAYER_GROUP_COUNT) for part in range(LAYER_GROUP_COUNT + 1)]
    return [layers[low:high] for low, high in itertools.pairwise(bounds)][::-1]


def unfreeze_groups(groups: list[list[Any]], group_count: int) -> dict[str, float]:
    """Lets the first `group_count` groups learn and the others rest; returns variable's path → factor of its rate."""
    factors: dict[str, float] = {}
    for depth, layers in enumerate(groups):
        for layer in layers:
            layer.trainable = depth < group_count
            factors |= {variable.path: RATE_DECAY ** -(depth + 1) for variable in layer.weights}
    return factors


def freeze_backbone(model: Any) -> None:
    """Freezes the backbone: none of its weights learns, and batch-norm keeps its statistics."""
    for layer in list_backbone_layers(model):
        layer.trainable = False


def _get_head_layers(model: Any) -> list[Any]:
    """Returns the layers from the embedding to the logits."""
    names = [layer.name for layer in model.layers]
    return list(model.layers[names.index("embedding") + 1 :])


def _copy_layer(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())

"""Training that begins with pretrained weights: what learns when, what never moves, and which epoch is kept."""

from __future__ import annotations

import signal

import h5py
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from striate.config import replace_config
from striate.data.augment import Augment
from striate.data.decoded_cache import decode_all
from striate.data.loaders.load import load_images
from striate.data.splits import split_stratified
from striate.models.pretrained import build_pretrained_model, list_backbone_layers
from striate.models.registry import ARCHITECTURES
from striate.progress import NO_PROGRESS
from striate.system.backend import ACTIVE_BACKEND, keras, set_seed
from striate.training import transfer
from striate.training import transfer as features
from striate.training.auto_config import plan, preprocessing_of
from striate.training.checkpoint_store import CheckpointStore
from striate.training.checkpointing import Keeper
from striate.training.fit import fit
from striate.training.optimizers import make_optimizer
from striate.training.recipe import Recipe
from striate.training.transfer import (
    LAYER_GROUP_COUNT,
    RATE_DECAY,
    extract_features,
    freeze_backbone,
    split_layer_groups,
    unfreeze_groups,
)

pytestmark = [
    pytest.mark.backend,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras' own, on NumPy 2
]

NAME = "mobilenet_v2_0.35"

compiles_long = pytest.mark.slow if ACTIVE_BACKEND.name == "jax" else lambda test: test
"""JAX takes the better part of a minute to compile a whole MobileNet's way back."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights and random statistics of batch-norm, in a file as Keras writes it."""
    set_seed(1)
    rng = np.random.default_rng(1)
    model = keras.applications.MobileNetV2((32, 32, 3), 0.35, include_top=False, weights=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [rng.uniform(0.7, 1.3, gamma.shape), rng.normal(0, 0.3, beta.shape), mean, variance * 0.3]
            )
    path = tmp_path_factory.mktemp("weights") / "narrow.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


@pytest.fixture(scope="module")
def parts(photos):
    """The striped photographs in 32 pixels, to train on and to choose by."""
    splits = split_stratified(load_images(photos))
    form = preprocessing_of(plan(Recipe(height=32, channels=3), splits.train))
    return tuple(decode_all(part, form) for part in (splits.train, splits.validation))


@pytest.fixture(scope="module")
def planned(parts, weights):
    def recipe(**settings):
        asked = {"pretrained": str(weights), "architecture": NAME, "height": 32, "epochs": 2, "batch": 16, "seed": 3}
        return plan(Recipe(**{**asked, **settings}), parts[0].images)

    return recipe


def _begun(weights, classes=3, dropout=0.0):
    set_seed(0)
    model = build_pretrained_model(ARCHITECTURES[NAME], (32, 32, 3), classes, weights, dropout=dropout, seed=0)
    freeze_backbone(model)
    return model


def _values(model):
    return {variable.path: keras.ops.convert_to_numpy(variable.value).copy() for variable in model.weights}


def _changed(before, after):
    return {path for path in before if not np.array_equal(before[path], after[path])}


# The last layer alone


@pytest.fixture(scope="module")
def rested(parts, planned):
    """A training of the last layer."""
    return fit(*parts, planned(epochs=12, learning_rate=5e-3, augment="photos"))


def test_only_the_last_layer_learns_and_the_backbone_stays_bit_for_bit(rested, weights):
    changed = _changed(_values(_begun(weights)), _values(rested.classifier.model))
    assert changed == {"logits/kernel", "logits/bias"}
    assert len(rested.history.epochs) == 12
    assert rested.history.epochs[-1].loss < rested.history.epochs[0].loss


def test_images_are_not_changed_at_random_where_the_backbone_rests(planned):
    assert planned(augment="photos").augment == Augment()
    assert planned(augment="photos", fine_tune=1).augment != Augment()


def test_the_classifier_predictions_as_the_last_layer_did_while_it_learned(rested, parts):
    model, pixels = rested.classifier.model, parts[1].pixels
    kernel, bias = model.get_layer("logits").get_weights()
    logits = extract_features(model, pixels, progress=NO_PROGRESS) @ kernel + bias
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rested.classifier.predict_proba(pixels), expected, atol=2e-4)
    row = rested.history.epochs[rested.history.best_epoch - 1]
    assert (logits.argmax(axis=1) == parts[1].images.labels).mean() == pytest.approx(row.val_accuracy, abs=1e-6)


@pytest.mark.slow
@compiles_long
def test_half_precision_learns_too(parts, planned):
    trained = fit(*parts, planned(precision="mixed_bfloat16", epochs=1))
    assert np.isfinite(trained.classifier.predict_proba(parts[1].pixels)).all()
    assert trained.classifier.model.get_layer("embedding").compute_dtype == "float32"


def test_a_second_training_looks_at_no_image(parts, planned, rested, monkeypatch):
    def never(model, policy):
        raise AssertionError("the images are looked at again")

    monkeypatch.setattr(features, "compile_predict_function", never)
    again = fit(*parts, planned(epochs=12, learning_rate=5e-3, augment="photos"))
    rows = [[(row.loss, row.val_loss) for row in one.history.epochs] for one in (rested, again)]
    np.testing.assert_allclose(*rows, rtol=1e-6)


# The layers below it


def _stages(parts, recipe, monkeypatch):
    """Returns (epochs, weights before, weights after) of every stage, and what was trained."""
    stages = []
    real = transfer.Loop.learn

    def learn(self, model, *args, epochs, **kwargs):
        before = _values(model)
        real(self, model, *args, epochs=epochs, **kwargs)
        stages.append((epochs, before, _values(model)))

    monkeypatch.setattr(transfer.Loop, "learn", learn)
    return stages, fit(*parts, recipe)


def _of(layers):
    return {variable.path for layer in layers for variable in layer.weights}


@compiles_long
def test_stages_unfreeze_from_above_and_batch_norm_rests_throughout(parts, planned, weights, monkeypatch):
    recipe = planned(fine_tune=3, fine_tune_rate=1e-2, optimizer="adam", epochs=1, keep="last", dropout=0.2)
    stages, trained = _stages(parts, recipe, monkeypatch)
    model = trained.classifier.model
    groups = [_of(layers) for layers in split_layer_groups(model)]
    head = {"logits/kernel", "logits/bias"}
    assert [epochs for epochs, _, _ in stages] == [1, 1, 2]
    assert [row.epoch for row in trained.history.epochs] == [1, 2, 3, 4]
    (_, upper_before, upper_after), (_, all_before, all_after) = stages[1:]
    assert _changed(upper_before, upper_after) == head | groups[0]
    assert _changed(all_before, all_after) == head | groups[0] | groups[1] | groups[2]
    at_rest = _of(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    assert len(at_rest) > 100
    assert not at_rest & _changed(_values(_begun(weights)), _values(model))
    assert trained.history.best_epoch == 4
    assert trained.recipe.fine_tune == 3


def test_groups_hold_every_layer_with_weights_but_batch_norm_once(weights):
    model = _begun(weights)
    groups = split_layer_groups(model)
    assert len(groups) == LAYER_GROUP_COUNT
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    together = [layer.name for layers in groups[::-1] for layer in layers]
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    assert together == [layer.name for layer in list_backbone_layers(model) if isinstance(layer, kinds)]


def test_lower_layers_move_by_exactly_their_share_of_the_rate(weights):
    model = _begun(weights)
    factors = unfreeze_groups(split_layer_groups(model), LAYER_GROUP_COUNT)
    recipe = Recipe(optimizer="sgd")
    optimizer = make_optimizer(recipe, 0.5, steps=10, rate_factors=factors)
    before, first = _values(model), 0.5 * 1.9  # Nesterov's first step
    optimizer.build(model.trainable_variables)
    ones = [keras.ops.ones(variable.shape) for variable in model.trainable_variables]
    optimizer.apply(ones, model.trainable_variables)
    after = _values(model)
    for depth, layers in enumerate(split_layer_groups(model)):
        for path in _of(layers):
            moved = (before[path] - after[path]).mean()
            assert moved == pytest.approx(first * RATE_DECAY ** -(depth + 1), rel=1e-3)
    assert (before["logits/bias"] - after["logits/bias"]).mean() == pytest.approx(first, rel=1e-4)


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_the_factors_reach_the_other_optimizers_too(kind):
    layers = [keras.Variable(np.full(3, 10.0, np.float32), name=name) for name in ("low", "high")]
    optimizer = make_optimizer(Recipe(optimizer=kind), 0.1, steps=10, rate_factors={layers[0].path: 0.25})
    optimizer.build(layers)
    optimizer.apply([keras.ops.ones(3)] * 2, layers)
    low, high = (10.0 - float(keras.ops.convert_to_numpy(one.value).mean()) for one in layers)
    assert (low, high) == (pytest.approx(0.025, rel=1e-3), pytest.approx(0.1, rel=1e-3))


@pytest.mark.slow
@compiles_long
def test_when_fine_tuning_only_does_harm_the_last_layers_epoch_is_kept(parts, planned, weights):
    trained = fit(*parts, planned(fine_tune=1, fine_tune_rate=3.0, optimizer="sgd", epochs=2))
    assert len(trained.history.epochs) == 3
    assert trained.history.best_epoch <= 2
    assert _changed(_values(_begun(weights)), _values(trained.classifier.model)) == {"logits/kernel", "logits/bias"}
    row = trained.history.epochs[trained.history.best_epoch - 1]
    right = trained.classifier.predict_proba(parts[1].pixels).argmax(axis=1) == parts[1].images.labels
    assert right.mean() == pytest.approx(row.val_accuracy, abs=1e-6)


@pytest.mark.slow
def test_patience_begins_anew_with_every_stage(parts, planned):
    """Otherwise fine-tuning would end with its first epoch whenever the last layer had stopped early."""
    recipe = planned(epochs=30, learning_rate=1.0, patience=2, fine_tune=4, fine_tune_rate=1e-6)
    rates = [row.learning_rate for row in fit(*parts, recipe).history.epochs]
    assert sum(rate < 1e-3 for rate in rates) == 4
    assert len(rates) < 30


@compiles_long
def test_ctrl_c_while_the_last_layer_learns_leaves_out_the_fine_tuning(parts, planned, weights):
    rows = []

    def record(row):
        rows.append(row)
        signal.raise_signal(signal.SIGINT)

    trained = fit(*parts, planned(fine_tune=2, epochs=3), record=record)
    assert trained.interrupted
    assert len(rows) == len(trained.history.epochs) == trained.history.best_epoch == 1
    assert _changed(_values(_begun(weights)), _values(trained.classifier.model)) == {"logits/kernel", "logits/bias"}
    assert np.isfinite(trained.classifier.predict_proba(parts[1].pixels)).all()


def test_what_is_enough_for_the_last_layer_leaves_out_the_fine_tuning(parts, planned):
    recipe = planned(epochs=3, fine_tune=2)
    trained = fit(*parts, recipe, enough=lambda row: row.epoch == 1)
    assert [row.epoch for row in trained.history.epochs] == [1]
    assert not trained.interrupted


@pytest.mark.slow
def test_minutes_bound_the_fine_tuning_and_leave_the_last_layer_its_epochs(parts, planned, weights):
    none = fit(*parts, planned(minutes=1e-4, fine_tune=3))
    assert (none.recipe.minutes, none.recipe.epochs, none.recipe.fine_tune) == (None, 2, 0)
    assert len(none.history.epochs) == 2
    some = fit(*parts, planned(minutes=100.0, fine_tune=1, fine_tune_rate=1e-3))
    assert (some.recipe.minutes, some.recipe.fine_tune, len(some.history.epochs)) == (None, 1, 3)
    again = fit(*parts, some.recipe)
    assert [row.val_loss for row in again.history.epochs] == pytest.approx(
        [row.val_loss for row in some.history.epochs], rel=1e-3
    )
    plain = fit(*parts, planned(minutes=100.0))
    assert (plain.recipe, len(plain.history.epochs)) == (
        replace_config(planned(), minutes=None, precision=plain.recipe.precision),
        2,
    )


# Killed and resumed


class _Killed(Exception):  # noqa: N818
    pass


@pytest.mark.slow
@compiles_long
def test_killed_in_every_stage_it_ends_with_the_same_bits(parts, planned, tmp_path):
    recipe = planned(fine_tune=2, epochs=3, fine_tune_rate=1e-3, precision="float32", augment="photos")
    whole = fit(*parts, recipe)
    stages, found = [], None
    for dies_after in (2, 1, 1, 9):  # epochs of an attempt's own: in the last layer's, the upper third's, the whole's
        left = [dies_after]

        def record(row, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise _Killed

        keeper = Keeper(CheckpointStore(tmp_path), every=0)
        stages.append(keeper.place.stage)
        try:
            found = fit(*parts, recipe, keeper=keeper, record=record)
        except _Killed:
            continue
        break
    assert found is not None and set(stages) >= {0, 1}
    rows = [
        [(row.epoch, row.loss, row.val_loss, row.val_accuracy) for row in one.history.epochs] for one in (whole, found)
    ]
    assert rows[0] == rows[1] and len(rows[0]) == 5
    assert found.history.best_epoch == whole.history.best_epoch
    assert not _changed(_values(whole.classifier.model), _values(found.classifier.model))

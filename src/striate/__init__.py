"""Striate: from labelled pictures to a classifier you can trust, understand and ship.

    import striate as st

    images = st.load_images("photos/")          # or "fashion_mnist", a CSV, arrays …
    splits = st.split(images, seed=0)
    run    = st.train(splits, architecture="cnn")
    report = st.evaluate(run.classifier, splits.test)
    print(run.classifier.predict("new.jpg"))

Names are resolved when first used (PEP 562), so `import striate` loads neither Keras nor NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from striate.classifier import Classifier
    from striate.errors import StriateError
    from striate.evaluation.comparison.compare import compare
    from striate.evaluation.measure import evaluate
    from striate.evaluation.report import Report
    from striate.experiment.examine import examine
    from striate.experiment.flow import train
    from striate.experiment.ladder import ladder
    from striate.experiment.learn_curve import learn_curve
    from striate.experiment.predict_all import predict_all
    from striate.experiment.repeat import cross_validate, repeat
    from striate.experiment.report import write_report
    from striate.experiment.resume import resume
    from striate.experiment.ship import export
    from striate.experiment.tuning.tune import tune
    from striate.images.augment import Augment
    from striate.images.imageset import ImageSet
    from striate.images.pixels import Preprocessing
    from striate.images.sources.arrays import from_arrays
    from striate.images.sources.load import load_images
    from striate.images.split import Splits
    from striate.images.write_shards import write_shards
    from striate.inspection.divide import split
    from striate.models.architecture import Architecture
    from striate.models.architectures import ARCHITECTURES
    from striate.prediction import Prediction, Predictions
    from striate.runs import Run
    from striate.store import RunStore
    from striate.training.recipe import Recipe
    from striate.training.recipes import RECIPES

_HOMES = {
    "ARCHITECTURES": "striate.models.architectures",
    "Architecture": "striate.models.architecture",
    "Augment": "striate.images.augment",
    "Classifier": "striate.classifier",
    "ImageSet": "striate.images.imageset",
    "Prediction": "striate.prediction",
    "Predictions": "striate.prediction",
    "Preprocessing": "striate.images.pixels",
    "RECIPES": "striate.training.recipes",
    "Recipe": "striate.training.recipe",
    "Report": "striate.evaluation.report",
    "Run": "striate.runs",
    "RunStore": "striate.store",
    "Splits": "striate.images.split",
    "StriateError": "striate.errors",
    "compare": "striate.evaluation.comparison.compare",
    "cross_validate": "striate.experiment.repeat",
    "evaluate": "striate.evaluation.measure",
    "examine": "striate.experiment.examine",
    "export": "striate.experiment.ship",
    "from_arrays": "striate.images.sources.arrays",
    "ladder": "striate.experiment.ladder",
    "learn_curve": "striate.experiment.learn_curve",
    "load_images": "striate.images.sources.load",
    "predict_all": "striate.experiment.predict_all",
    "repeat": "striate.experiment.repeat",
    "resume": "striate.experiment.resume",
    "split": "striate.inspection.divide",
    "train": "striate.experiment.flow",
    "tune": "striate.experiment.tuning.tune",
    "write_report": "striate.experiment.report",
    "write_shards": "striate.images.write_shards",
}

__all__ = [
    "ARCHITECTURES",
    "RECIPES",
    "Architecture",
    "Augment",
    "Classifier",
    "ImageSet",
    "Prediction",
    "Predictions",
    "Preprocessing",
    "Recipe",
    "Report",
    "Run",
    "RunStore",
    "Splits",
    "StriateError",
    "compare",
    "cross_validate",
    "evaluate",
    "examine",
    "export",
    "from_arrays",
    "ladder",
    "learn_curve",
    "load_images",
    "predict_all",
    "repeat",
    "resume",
    "split",
    "train",
    "tune",
    "write_report",
    "write_shards",
]


def __getattr__(name: str) -> Any:
    """Returns a public name from the module that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    from striate.environment import refuse_shadows

    refuse_shadows()  # before a user's own numpy.py is imported instead of NumPy
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

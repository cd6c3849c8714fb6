"""Striate: from labeled images to a classifier you can trust, understand and ship.

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
    from striate.data.augment import Augment
    from striate.data.image_set import ImageSet
    from striate.data.loaders.arrays import from_arrays
    from striate.data.loaders.load import load_images
    from striate.data.preprocessing import Preprocessing
    from striate.data.shards import write_shards
    from striate.data.splits import Splits
    from striate.data_checks.split import split
    from striate.errors import StriateError
    from striate.evaluation.comparison.compare import compare
    from striate.evaluation.evaluate import evaluate
    from striate.evaluation.report import Report
    from striate.models.architecture import Architecture
    from striate.models.registry import ARCHITECTURES
    from striate.prediction import Prediction, Predictions
    from striate.runs.run import Run
    from striate.runs.store import RunStore
    from striate.studies.ladder import ladder
    from striate.studies.learning_curve import learning_curve
    from striate.studies.repeat import cross_validate, repeat
    from striate.studies.search.tune import tune
    from striate.training.presets import RECIPES
    from striate.training.recipe import Recipe
    from striate.workflows.export import export
    from striate.workflows.inspect_data import examine
    from striate.workflows.predict import predict_all
    from striate.workflows.report import write_report
    from striate.workflows.train import resume, train

_MODULE_BY_NAME = {
    "ARCHITECTURES": "striate.models.registry",
    "Architecture": "striate.models.architecture",
    "Augment": "striate.data.augment",
    "Classifier": "striate.classifier",
    "ImageSet": "striate.data.image_set",
    "Prediction": "striate.prediction",
    "Predictions": "striate.prediction",
    "Preprocessing": "striate.data.preprocessing",
    "RECIPES": "striate.training.presets",
    "Recipe": "striate.training.recipe",
    "Report": "striate.evaluation.report",
    "Run": "striate.runs.run",
    "RunStore": "striate.runs.store",
    "Splits": "striate.data.splits",
    "StriateError": "striate.errors",
    "compare": "striate.evaluation.comparison.compare",
    "cross_validate": "striate.studies.repeat",
    "evaluate": "striate.evaluation.evaluate",
    "examine": "striate.workflows.inspect_data",
    "export": "striate.workflows.export",
    "from_arrays": "striate.data.loaders.arrays",
    "ladder": "striate.studies.ladder",
    "learning_curve": "striate.studies.learning_curve",
    "load_images": "striate.data.loaders.load",
    "predict_all": "striate.workflows.predict",
    "repeat": "striate.studies.repeat",
    "resume": "striate.workflows.train",
    "split": "striate.data_checks.split",
    "train": "striate.workflows.train",
    "tune": "striate.studies.search.tune",
    "write_report": "striate.workflows.report",
    "write_shards": "striate.data.shards",
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
    "learning_curve",
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
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    from striate.system.backend_choice import refuse_shadows

    refuse_shadows()  # before a user's own numpy.py is imported instead of NumPy
    return getattr(importlib.import_module(_MODULE_BY_NAME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

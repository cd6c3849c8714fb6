"""The house has floors, and a module stands on lower ones only. Every import in the source is held against that."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import striate

pytestmark = pytest.mark.fast

SOURCE = Path(striate.__file__).parent
FLOORS = {
    **dict.fromkeys(("errors", "config", "files", "progress", "history", "environment", "backend"), 1),
    **dict.fromkeys(("cluster", "bucket", "native", "artifacts", "process"), 1),
    **dict.fromkeys(
        (
            "machine",
            "signals",
            "drawing",
            "reporting",
            "pages",
            "download",
            "kept",
            "seal",
            "signature",
            "lock",
            "begun",
        ),
        1,
    ),
    **dict.fromkeys(("images", "models"), 2),
    **dict.fromkeys(("network", "inference", "prediction", "manifest", "portable", "classifier", "inspection"), 3),
    **dict.fromkeys(("training", "evaluation", "explain", "shipping", "answering"), 4),
    "runs": 5,
    "store": 6,
    "serving": 5,
    "diagnosis": 6,
    "tensorboard": 6,
    **dict.fromkeys(("experiment", "doctor"), 7),
    "cli": 8,
    "__main__": 9,
}
"""Module or package directly below striate → its floor."""

NEIGHBOURS = {
    *(("classifier", name) for name in ("network", "prediction", "inference", "manifest", "portable")),
    ("portable", "manifest"),
}
"""Who may import whom on the same floor, beside the ground floor, whose modules all may."""


def _imports(tree, module):
    """Yields (line, imported name within striate) for every import anywhere in the module, "" for the root."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "striate":
                    yield node.lineno, alias.name.partition(".")[2]
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                source = ".".join([*module.split(".")[: -node.level], *filter(None, [source])])
            if source == "striate":
                for alias in node.names:
                    yield node.lineno, alias.name if alias.name in FLOORS else f"·{alias.name}"
            elif source.startswith("striate."):
                yield node.lineno, source.partition(".")[2]


def violations(code, module):
    """Returns what is wrong with the imports of `module` (its full name), given its code."""
    own = module.split(".")[1]
    found = []
    for line, target in _imports(ast.parse(code), module):
        if target == "·__version__":  # which only the root has
            continue
        if not target or target.startswith("·"):
            found.append(f"{module}:{line} imports the root package")
            continue
        other = target.split(".")[0]
        if other not in FLOORS:
            found.append(f"{module}:{line} imports {target}, which stands on no floor")
        elif other == own or (own, other) in NEIGHBOURS or FLOORS[own] == FLOORS[other] == 1:
            continue
        elif FLOORS[other] >= FLOORS[own]:
            found.append(f"{module}:{line} (floor {FLOORS[own]}) imports {target} (floor {FLOORS[other]})")
    return found


MODULES = {
    ".".join(("striate", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path != SOURCE / "__init__.py"
}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_stands_on_lower_floors_only(module):
    assert module.split(".")[1] in FLOORS, f"{module} stands on no floor; give it one here"
    is_package = MODULES[module].name == "__init__.py"
    code = MODULES[module].read_text(encoding="utf-8")
    assert violations(code, f"{module}.__init__" if is_package else module) == []


def test_every_floor_is_lived_on():
    assert {module.split(".")[1] for module in MODULES} == FLOORS.keys()


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("striate.data.preprocessing", "from striate.training.auto_config import plan"),
        ("striate.data.preprocessing", "import striate.training.auto_config"),
        ("striate.data.preprocessing", "def lazily():\n    from striate.classifier import Classifier"),
        ("striate.data.preprocessing", "if TYPE_CHECKING:\n    from striate.runs.run import Run"),
        ("striate.data.preprocessing", "from striate.models.zoo.cnn import CNN"),
        ("striate.models.zoo.cnn", "from striate.data.image_set import ImageSet"),
        ("striate.training.auto_config", "from striate.evaluation.report import Report"),
        ("striate.models.serialization", "from striate.classifier import Classifier"),
        ("striate.cli.doctor_checks", "from striate.workflows import train"),
        ("striate.errors", "from striate.data.image_set import ImageSet"),
        ("striate.workflows", "from striate.cli import main"),
        ("striate.workflows", "import striate"),
        ("striate.workflows", "from striate import Run"),
        ("striate.workflows", "from striate import cli"),
        ("striate.workflows", "from striate.nowhere import thing"),
        ("striate.data.preprocessing", "from ..runs import Run"),
        ("striate.data.loaders.load", "from ...runs import Run"),
    ],
)
def test_a_bad_import_is_found(module, code):
    assert len(violations(f"from __future__ import annotations\n{code}\n", module)) == 1


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("striate.classifier", "from striate.models.serialization import load_network"),
        ("striate.config", "from striate.errors import ConfigError"),
        ("striate.system.atomic_files", "from striate.config import to_json"),
        ("striate.data.decoded_cache", "from striate.data.image_set import ImageSet"),
        ("striate.data.decoded_cache", "from .imageset import ImageSet"),
        ("striate.runs.run", "from striate.classifier import Classifier"),
        ("striate.cli.train", "def lazily():\n    from striate.workflows import train"),
        ("striate.cli.train", "import numpy as np\nfrom pathlib import Path"),
        ("striate.cli.__init__", "from striate import __version__"),
        ("striate.cli.__init__", "from striate import errors"),
    ],
)
def test_a_good_import_is_not_complained_about(module, code):
    assert violations(code, module) == []

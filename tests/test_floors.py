"""The layers of the package: a module imports from lower layers and from its own only, and no import is circular."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import striate

pytestmark = pytest.mark.fast

SOURCE = Path(striate.__file__).parent
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("config",),
    ("progress",),
    ("system",),
    ("cluster.connection",),
    ("reporting",),
    ("data",),
    ("models",),
    ("prediction",),
    ("data_checks",),
    ("classifier",),
    ("training",),
    ("evaluation",),
    ("explain",),
    ("exporters",),
    ("inference",),
    ("cluster.batch_inference",),
    ("runs",),
    ("diagnosis",),
    ("serving",),
    ("tensorboard",),
    ("workflows", "cluster.coordinator", "cluster.distributed_training"),
    ("studies", "cluster.tune_executor"),
    ("cli",),
    ("__main__",),
)
"""Packages and modules directly below striate, from the lowest layer to the highest. The package `cluster` holds all
that needs Ray; each of its modules belongs to the layer that it runs on several computers.
"""


def layer_of(module: str) -> int | None:
    """Returns the layer of a module named without `striate.`; None for one that has none."""
    parts = module.split(".")
    names = {".".join(parts[:2]), parts[0]}
    return next((number for number, layer in enumerate(LAYERS) if names & set(layer)), None)


def imports_of(code: str, module: str) -> Iterator[tuple[int, str]]:
    """Yields (line, imported name) for every import of striate's, also inside functions and for type checking.

    Args:
        code: the module's text.
        module: its full name; with `.__init__` for a package.
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] == "striate")
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                source = ".".join([*module.split(".")[: -node.level], *filter(None, [source])])
            if source.split(".")[0] == "striate":
                for alias in node.names:
                    name = f"{source}.{alias.name}"
                    yield node.lineno, name if name in MODULES or source == "striate" else source


MODULES = {
    ".".join(("striate", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
    if path != SOURCE / "__init__.py"
}
"""Module → its file."""


def violations(code: str, module: str) -> list[str]:
    """Returns what is wrong with the imports of `module`, given its code."""
    own = layer_of(module.removeprefix("striate.").removesuffix(".__init__"))
    assert own is not None
    problems = []
    for line, target in imports_of(code, module):
        name = target.removeprefix("striate.")
        layer = layer_of(name)
        if name == "__version__":  # only the root package has it
            continue
        if target == "striate" or (layer is None and target.count(".") == 1):
            problems.append(f"{module}:{line} imports the root package, or what no layer holds: {target}")
        elif layer is None or layer > own:
            problems.append(f"{module}:{line} imports {target}, which is in a higher layer")
    return problems


def _read(module: str) -> str:
    return MODULES[module].read_text(encoding="utf-8")


def _full_name(module: str) -> str:
    return f"{module}.__init__" if MODULES[module].name == "__init__.py" else module


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_lower_layers_only(module: str) -> None:
    if module == "striate.cluster":  # whose modules are in different layers
        assert list(imports_of(_read(module), _full_name(module))) == []
        return
    assert layer_of(module.removeprefix("striate.")) is not None, f"{module} is in no layer"
    assert violations(_read(module), _full_name(module)) == []


def test_every_layer_exists() -> None:
    for name in (name for layer in LAYERS for name in layer):
        assert f"striate.{name}" in MODULES


def find_cycle(imports: dict[str, set[str]]) -> list[str]:
    """Returns modules that import each other in a circle; empty where there is none."""
    done: set[str] = set()
    for start, first in imports.items():
        path: list[str] = []
        stack = [(start, iter(sorted(first)))] if start not in done else []
        path.extend(name for name, _ in stack)
        while stack:
            name, rest = stack[-1]
            target = next(rest, None)
            if target is None:
                done.add(name)
                stack.pop()
                path.pop()
            elif target in path:
                return [*path[path.index(target) :], target]
            elif target not in done and target in imports:
                stack.append((target, iter(sorted(imports[target]))))
                path.append(target)
    return []


def test_no_import_is_circular() -> None:
    imports = {
        module: {target for _, target in imports_of(_read(module), _full_name(module)) if target != module}
        for module in MODULES
    }
    assert find_cycle(imports) == []


def test_a_cycle_is_found() -> None:
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("striate.data.preprocessing", "from striate.training.auto_config import plan"),
        ("striate.data.preprocessing", "import striate.training.auto_config"),
        ("striate.data.preprocessing", "def lazily():\n    from striate.classifier import Classifier"),
        ("striate.data.preprocessing", "if TYPE_CHECKING:\n    from striate.runs.run import Run"),
        ("striate.data.preprocessing", "from striate.models.zoo.cnn import CNN"),
        ("striate.evaluation.metrics", "from striate.explain.attribution import Attributor"),
        ("striate.training.auto_config", "from striate.evaluation.report import Report"),
        ("striate.models.serialization", "from striate.classifier import Classifier"),
        ("striate.errors", "from striate.data.image_set import ImageSet"),
        ("striate.workflows.train", "from striate.cli import main"),
        ("striate.workflows.train", "from striate.studies.ladder import ladder"),
        ("striate.workflows.train", "import striate"),
        ("striate.workflows.train", "from striate import Run"),
        ("striate.workflows.train", "from striate import cli"),
        ("striate.workflows.train", "from striate.nowhere import thing"),
        ("striate.data.preprocessing", "from ..runs import Run"),
        ("striate.data.loaders.load", "from ...runs import Run"),
    ],
)
def test_an_import_from_a_higher_layer_is_found(module: str, code: str) -> None:
    assert len(violations(f"from __future__ import annotations\n{code}\n", module)) == 1


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("striate.classifier", "from striate.models.serialization import load_model"),
        ("striate.config", "from striate.errors import ConfigError"),
        ("striate.system.atomic_files", "from striate.config import to_json"),
        ("striate.data.decoded_cache", "from striate.data.image_set import ImageSet"),
        ("striate.data.decoded_cache", "from .image_set import ImageSet"),
        ("striate.runs.run", "from striate.classifier import Classifier"),
        ("striate.cli.train", "def lazily():\n    from striate.workflows.train import train"),
        ("striate.cli.train", "import numpy as np\nfrom pathlib import Path"),
        ("striate.cli.__init__", "from striate import __version__"),
        ("striate.cli.__init__", "from striate import errors"),
    ],
)
def test_an_import_from_a_lower_layer_is_accepted(module: str, code: str) -> None:
    assert violations(code, module) == []

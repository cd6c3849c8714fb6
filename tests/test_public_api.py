"""What `import striate` promises: a fixed list of names, each found, and nothing heavy loaded before it is used."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import striate

ROOT = ast.parse(Path(striate.__file__).read_text(encoding="utf-8"))


def _loaded_after(code):
    """Returns the modules that a new Python process holds after running `code`."""
    report = "import json, sys; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_list_of_names_and_the_table_of_homes_agree():
    assert sorted(striate.__all__) == sorted(striate._MODULE_BY_NAME)
    assert len(set(striate.__all__)) == len(striate.__all__)


@pytest.mark.parametrize("name", striate.__all__)
def test_every_public_name_is_the_one_its_home_defines(name):
    home = striate._MODULE_BY_NAME[name]
    assert getattr(striate, name) is getattr(importlib.import_module(home), name)
    defined = {
        target.id
        for node in ast.parse(Path(importlib.import_module(home).__file__).read_text(encoding="utf-8")).body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        if isinstance(target, ast.Name)
    } | {
        node.name
        for node in ast.parse(Path(importlib.import_module(home).__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    assert name in defined, f"{home} only passes {name} on"


def test_what_type_checkers_see_is_what_python_finds():
    (block,) = (node for node in ROOT.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == striate._MODULE_BY_NAME


def test_every_public_name_is_offered_when_completing():
    assert set(striate.__all__) <= set(dir(striate))


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'striate' has no attribute 'nonsense'"):
        _ = striate.nonsense


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert striate.__version__ == version("striate")


def test_importing_striate_loads_nothing_heavy():
    loaded = _loaded_after("import striate")
    assert "striate" in loaded
    assert not loaded & {"keras", "numpy", "PIL", "tensorflow", "jax", "torch", "matplotlib", "msgspec", "click"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], ["nonsense"]])
def test_help_and_version_load_not_even_the_command_line_library(words):
    loaded = _loaded_after(f"from striate.cli import main\nmain({words!r})")
    assert "striate.cli" in loaded
    assert not loaded & {"click", "rich", "keras", "numpy", "PIL", "msgspec"}


def test_the_tables_that_need_no_model_load_no_keras():
    loaded = _loaded_after("import striate\nstriate.load_images, striate.Recipe, striate.RECIPES, striate.Splits")
    assert "numpy" in loaded
    assert not loaded & {"keras", "tensorflow", "jax", "torch"}


def test_the_package_says_that_it_is_typed():
    assert (Path(striate.__file__).parent / "py.typed").is_file()

"""The script that plants faults tells apart what tests catch, what slips through, and what cannot be planted."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent / "mutants"

SOURCE = """
MOST = 3


def is_large(number):
    return number > MOST


def is_small(number):
    return number < 1
"""
TESTS = """
from rules import is_large


def test_four_is_large():
    assert is_large(4)


def test_three_is_not():
    assert not is_large(3)
"""
WRONG = """
def test_nothing_is_right():
    from rules import MOST

    assert MOST == 4
"""


def fault(name: str, old: str, new: str, tests: str = "tests/test_rules.py") -> str:
    return (
        f'[[fault]]\nid = "{name}"\npromise = "rules"\nfile = "src/rules.py"\n'
        f'old = "{old}"\nnew = "{new}"\ntests = ["{tests}"]\n'
    )


TABLE = (
    fault("caught", "number > MOST", "number >= MOST")
    + fault("slipped", "number < 1", "number <= 1")
    + fault("wrong-test", "number < 1", "number < 2", "tests/test_wrong.py")
    + fault("no-tests", "number < 1", "number < 2", "tests/test_gone.py")
)


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("plant_faults", HERE / "plant_faults.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "plant_faults", module)  # dataclasses look for it there
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {"src/rules.py": SOURCE, "tests/test_rules.py": TESTS, "tests/test_wrong.py": WRONG, "faults.toml": TABLE}
    for name, text in files.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "tree"


def test_each_fault_is_caught_slips_through_or_cannot_be_judged(tree, tmp_path):
    results = tmp_path / "results.json"

    def plant(*words: str) -> subprocess.CompletedProcess[str]:
        start = [sys.executable, HERE / "plant_faults.py", "--tree", tree, "--faults", tree / "faults.toml"]
        options = ["--preload", "", "--json", results]
        return subprocess.run([*start, *options, *words], capture_output=True, text=True, check=False)

    done = plant()
    found = json.loads(results.read_text(encoding="utf-8"))
    rows = {row["id"]: row["how"] for row in found["results"]}
    assert (found["faults"], found["caught"], found["slipped"]) == (4, 1, ["slipped"]), done.stdout + done.stderr
    assert found["errors"] == ["wrong-test", "no-tests"]
    assert rows["caught"] == "tests/test_rules.py::test_three_is_not"
    assert "failed without the fault too" in rows["wrong-test"]
    assert "tests/test_gone.py" in rows["no-tests"]
    assert done.returncode == 2
    assert "1 of 4 caught" in done.stdout
    assert (tree / "src/rules.py").read_text(encoding="utf-8") == SOURCE

    again = plant("--resume", "--only", "caught,slipped")
    assert again.returncode == 1
    assert "1 of 2 caught" in again.stdout
    assert "tests/test_rules.py" not in again.stdout  # both were known


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("number > LEAST", "number >= LEAST", "found 0 times"),
        ("number", "digit", "found 4 times"),
        ("number > MOST", "number >", "no Python"),
    ],
)
def test_a_fault_that_cannot_be_planted_says_why(script, tree, old, new, reason):
    planned = script.Fault("one", "rules", (script.Replacement("src/rules.py", old, new),), ("tests",), ())
    with pytest.raises(script.FaultError, match=reason):
        script.find_replacement(tree, planned)


def test_code_that_has_moved_is_found_in_its_other_place(script, tree):
    ways = (script.Replacement("src/gone.py", "a", "b"), script.Replacement("src/rules.py", "MOST = 3", "MOST = 4"))
    path, text, faulty = script.find_replacement(tree, script.Fault("one", "rules", ways, ("tests",), ()))
    assert path == tree / "src/rules.py"
    assert (text, faulty) == (SOURCE, SOURCE.replace("MOST = 3", "MOST = 4"))


@pytest.fixture(scope="module")
def table() -> list[dict]:
    return tomllib.loads((HERE / "faults.toml").read_text(encoding="utf-8"))["fault"]


def test_the_table_has_a_fault_for_every_promise(table):
    assert len(table) >= 60
    assert {
        *("splits", "preprocessing", "class order", "resume", "checksums", "intervals", "export parity"),
        *("limits of the server", "leak search", "planning"),
    } <= {row["promise"] for row in table}


def test_every_fault_has_its_own_name_and_changes_something(table):
    assert len({row["id"] for row in table}) == len(table)
    assert all(row["old"] != row["new"] and row["tests"] for row in table)

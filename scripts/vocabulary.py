"""Counts what GLOSSARY.md asks of names, words and files, and fails where a limit is exceeded.

    python scripts/vocabulary.py            the counts, beside their limits and goals
    python scripts/vocabulary.py --list KEY what was counted, e.g. participles

A limit is the value reached so far: it may only fall. Change it in vocabulary.toml with the change that lowers it.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "striate"
SETTINGS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
VERBS = frozenset(SETTINGS["verbs"].split())
PREFIXES = ("on", "is", "has", "are", "to", "from", "as")
LONG = 50
"""Lines: functions above this are counted as long."""

MANY_PARAMETERS = 8


@dataclass(frozen=True)
class Function:
    """A function or method of the package.

    Attributes:
        path: its file, relative to the package.
        name: as it is defined.
        node: its definition.
        is_method: whether it belongs to a class.
        decorators: as written.
    """

    path: Path
    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    is_method: bool
    decorators: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The words of its name."""
        return [word for word in self.name.split("_") if word]

    @property
    def is_property(self) -> bool:
        """Whether it is read as an attribute."""
        return any("property" in decorator for decorator in self.decorators)


@dataclass
class Count:
    """One figure, and what was counted for it."""

    value: float
    items: list[str] = field(default_factory=list)


def find_functions() -> Iterator[Function]:
    """Yields the functions of the package, nested ones and methods included, dunder methods left out."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield from _find_within(ast.parse(path.read_text(encoding="utf-8")), path.relative_to(SOURCE), is_class=False)


def _find_within(node: ast.AST, path: Path, *, is_class: bool) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if not child.name.startswith("__"):
                yield Function(path, child.name, child, is_class, tuple(map(ast.unparse, child.decorator_list)))
            yield from _find_within(child, path, is_class=False)
        else:
            yield from _find_within(child, path, is_class=isinstance(child, ast.ClassDef))


def count_all() -> dict[str, Count]:
    """Returns every figure by its key in vocabulary.toml."""
    functions = list(find_functions())
    files = sorted(SOURCE.rglob("*.py"))
    return {
        "single_word": _fraction(functions, [f for f in functions if len(f.words) == 1]),
        "verb_led": _verb_led(functions),
        "participles": _participles(functions),
        "defined_twice": _defined_twice(functions),
        "files": Count(len(files)),
        "root_files": Count(sum(path.parent == SOURCE for path in files)),
        "few_importers": _few_importers(files),
        "lines": Count(sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)),
        "long_functions": _fraction(functions, [f for f in functions if _length(f) > LONG]),
        "many_parameters": _listed([f for f in functions if _parameters(f) > MANY_PARAMETERS]),
        "banned_words": _banned_words(),
    }


def _listed(functions: list[Function]) -> Count:
    return Count(len(functions), [f"{f.path}:{f.node.lineno} {f.name}" for f in functions])


def _fraction(all_functions: list[Function], chosen: list[Function]) -> Count:
    return Count(len(chosen) / len(all_functions), _listed(chosen).items)


def _verb_led(functions: list[Function]) -> Count:
    """Counts functions that are not properties; builders of models/zoo may be named after what they build."""
    asked = [f for f in functions if not f.is_property and f.path.parts[:2] != ("models", "zoo")]
    led = [f for f in asked if f.words and (f.words[0] in VERBS or f.words[0] in PREFIXES)]
    others = [f for f in asked if f not in led]
    return Count(len(led) / len(asked), _listed(others).items)


def _participles(functions: list[Function]) -> Count:
    words = frozenset(SETTINGS["participles"].split())
    return _listed([f for f in functions if len(f.words) == 1 and f.words[0] in words])


def _defined_twice(functions: list[Function]) -> Count:
    """Counts public classes and functions that two modules define; those in `same_meaning` mean one thing."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                places[node.name].add(str(path.relative_to(SOURCE)))
    alike = frozenset(SETTINGS["same_meaning"].split())
    twice = {name: found for name, found in places.items() if len(found) > 1 and name not in alike}
    return Count(len(twice), [f"{name}: {', '.join(sorted(found))}" for name, found in sorted(twice.items())])


def _few_importers(files: list[Path]) -> Count:
    importers: Counter[str] = Counter()
    for path in files:
        targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        importers.update(targets)
    names = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in files}
    few = [
        f"{name} ({importers[name]})"
        for name, path in names.items()
        if importers[name] <= 1 and not path.name.startswith("__") and "cli" not in path.parts
    ]
    return Count(len(few), few)


def _length(function: Function) -> int:
    """Returns the lines of its code, without its docstring and decorators."""
    node = function.node
    first = node.body[0]
    is_documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    documented = (first.end_lineno or 0) - first.lineno + 1 if is_documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - documented


def _parameters(function: Function) -> int:
    """Returns the number of its parameters; of a command, whose options are declared beside it, 0."""
    if any(".option" in decorator or ".command" in decorator for decorator in function.decorators):
        return 0
    arguments = function.node.args
    count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
    return count - int(function.is_method)


def _banned_words() -> Count:
    """Counts lines with a word of `banned` in the files that people read: code, documents and templates."""
    pattern = re.compile(rf"\b(?:{'|'.join(SETTINGS['banned'])})\b", re.IGNORECASE)
    found = []
    for place in SETTINGS["read_by_people"]:
        for path in sorted(ROOT.glob(place)):
            if not path.is_file() or str(path.relative_to(ROOT)) in SETTINGS["exempt"]:
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if match := pattern.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number} {match[0]}")
    return Count(len(found), found)


def main(arguments: list[str]) -> int:
    """Prints the figures; returns 1 if one exceeds its limit."""
    counts = count_all()
    if arguments[:1] == ["--list"]:
        print("\n".join(counts[arguments[1]].items))
        return 0
    failed = 0
    for key, row in SETTINGS["limits"].items():
        value = counts[key].value
        is_exceeded = value < row["limit"] if row.get("is_minimum") else value > row["limit"]
        failed |= is_exceeded
        shown = f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
        print(f"{row['what']:<62} {shown:>8}  limit {row['limit']}, goal {row['goal']}{'  EXCEEDED' * is_exceeded}")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

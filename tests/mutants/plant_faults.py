"""Plants one fault at a time into a copy of the code, and reports which of them the tests catch.

    python tests/mutants/plant_faults.py [--tree FOLDER] [--only ID,…] [--json FILE] [--resume] [--jobs N] [--check]

The table of faults is faults.toml, beside this file; each fault replaces a text that stands exactly once in one file.
A fault is caught when one of its tests fails with it and passes without it. Its tests are the files that the table
names, cheap ones first, then those of `also`; all of them belong to the default selection (`not slow`), so whatever
catches a fault here catches it in `make test`.

Importing Keras and TensorFlow takes longer than most of these tests. So this process imports such packages once, and
never anything of the tree, and forks for every run; a fork has run no operation of a backend before.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import hypothesis
import pytest

HERE = Path(__file__).resolve().parent
LEFT_OUT = (".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "dist", "runs")
PRELOAD = (
    *("numpy", "scipy.stats", "scipy.optimize", "scipy.fft", "scipy.sparse.csgraph"),
    *("sklearn.metrics", "sklearn.model_selection", "matplotlib.pyplot", "cv2", "PIL.Image", "msgspec", "jinja2"),
    *("safetensors.numpy", "starlette.applications", "uvicorn", "keras", "tensorflow"),
)
"""Packages imported before forking. ONNX Runtime is not among them: it starts a thread, which a fork would lack."""

ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_NUM_INTRAOP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
LIMIT = 900.0
"""Seconds that one run of tests may take; a fault that makes them hang is caught then."""

GRACE = 30.0
"""Seconds between the signal that lets tests end the processes they started and the one that ends them."""

State = Literal["caught", "slipped", "error"]


class FaultError(Exception):
    """A fault that cannot be planted."""


@dataclass(frozen=True)
class Replacement:
    """One way to plant a fault: the file, the text that stands in it once, and the text that takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """One slip.

    Attributes:
        id: its name.
        promise: what it breaks.
        replacements: ways to plant it, of which exactly one must fit the tree.
        tests: files of tests, those first that are cheap and most likely to notice.
        also: files or folders of tests that are run where those notice nothing.
    """

    id: str
    promise: str
    replacements: tuple[Replacement, ...]
    tests: tuple[str, ...]
    also: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a run of tests.

    Attributes:
        state: `passed`, `failed` (`test` is the first that did), `hung` (`test` was running) or `broken`: tests that
            could not be collected, or a process that died.
        test: the deciding test's id.
        seconds: of processor time, that of the processes it started included.
        output: the end of what was printed.
    """

    state: Literal["passed", "failed", "hung", "broken"]
    test: str
    seconds: float
    output: str


@dataclass(frozen=True)
class Result:
    """What became of a fault: `how` is the test that caught it, or why it could not be judged."""

    id: str
    promise: str
    state: State
    how: str
    seconds: float


def load_faults(path: Path) -> list[Fault]:
    """Returns the faults of a table.

    Raises:
        FaultError: an id that stands twice, an unknown key, no tests, or a replacement that changes nothing.
    """
    faults = []
    for row in tomllib.loads(path.read_text(encoding="utf-8"))["fault"]:
        ways = [row, *row.pop("or", [])]
        fault = Fault(
            row.pop("id"),
            row.pop("promise"),
            tuple(Replacement(way.pop("file"), way.pop("old"), way.pop("new")) for way in ways),
            tuple(row.pop("tests")),
            tuple(row.pop("also", ())),
        )
        if any(ways):
            raise FaultError(f"{fault.id}: unknown keys {', '.join(key for way in ways for key in way)}")
        if not fault.tests or any(way.old == way.new for way in fault.replacements):
            raise FaultError(f"{fault.id}: no tests, or a replacement that changes nothing")
        faults.append(fault)
    twice = [name for name, times in Counter(fault.id for fault in faults).items() if times > 1]
    if twice:
        raise FaultError(f"{twice[0]} stands more than once in {path.name}")
    return faults


def find_replacement(tree: Path, fault: Fault) -> tuple[Path, str, str]:
    """Returns the one file that a fault is planted in, its text, and its text with the fault.

    Raises:
        FaultError: the text to be replaced is not there exactly once, or what comes out is no Python.
    """
    counts, fitting = [], []
    for way in fault.replacements:
        path = tree / way.file
        text = path.read_bytes().decode() if path.is_file() else ""
        counts.append(text.count(way.old))
        if counts[-1] == 1:
            fitting.append((path, text, text.replace(way.old, way.new)))
    if len(fitting) != 1 or max(counts) > 1:
        found = ", ".join(f"{count} times in {way.file}" for count, way in zip(counts, fault.replacements, strict=True))
        raise FaultError(f"the text to replace must stand there exactly once; found {found}")
    path, text, faulty = fitting[0]
    try:
        compile(faulty, path.name, "exec")
    except SyntaxError as error:
        raise FaultError(f"with the fault {path.name} is no Python: {error}") from None
    return path, text, faulty


class Copy:
    """A copy of a tree, in which faults are planted and tests are run.

    Args:
        tree: what is copied; it is only read.
        folder: where to; made here.
    """

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree = folder / "tree"
        self.scratch = folder
        self.writes = 0
        shutil.copytree(tree, self.tree, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)

    @contextlib.contextmanager
    def planted(self, fault: Fault) -> Iterator[None]:
        """Holds a fault in the copy around a block.

        Raises:
            FaultError: it cannot be planted.
        """
        path, text, faulty = find_replacement(self.tree, fault)
        before = path.stat()
        self.writes += 1  # compiled files are known by time and size: each fault gets a time of its own
        path.write_bytes(faulty.encode())
        os.utime(path, (before.st_atime, before.st_mtime + self.writes))
        try:
            yield
        finally:
            path.write_bytes(text.encode())
            os.utime(path, (before.st_atime, before.st_mtime))

    def run_tests(self, tests: Sequence[str], limit: float) -> Outcome:
        """Returns what became of some tests, run in a fork of this process until the first of them fails."""
        notes, output, base = self.scratch / "notes", self.scratch / "output", self.scratch / "base"
        for path in (notes, output):
            path.write_bytes(b"")
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = self._run_in_fork(tests, notes, output, base)
            finally:
                os._exit(code)  # no exit handlers: packages with threads of their own would wait for them for ever
        status, seconds = _wait(pid, limit)
        lines = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
        failed = [line["test"] for line in lines if line["what"] == "failed"]
        running = [line["test"] for line in lines if line["what"] == "begun"]
        code = os.waitstatus_to_exitcode(status) if status is not None else None
        if failed and code is not None:
            state, test = "failed", failed[0]
        elif code is None:
            state, test = "hung", running[-1] if running else ""
        elif code == 0 and running:
            state, test = "passed", ""
        else:
            state, test = "broken", ""
        for path in (base, self.tree / ".hypothesis"):
            shutil.rmtree(path, ignore_errors=True)
        tail = output.read_text(encoding="utf-8", errors="replace")[-1200:]
        return Outcome(state, test, seconds, tail)  # type: ignore[arg-type]

    def _run_in_fork(self, tests: Sequence[str], notes: Path, output: Path, base: Path) -> int:
        os.setpgid(0, 0)
        with output.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        source = self.tree / "src"
        sys.path[:] = [str(source), str(self.tree), *(one for one in sys.path if one and Path(one) != HERE)]
        os.environ["PYTHONPATH"] = os.pathsep.join((str(source), str(self.tree)))
        os.chdir(self.tree)
        importlib.invalidate_caches()
        # One failing example is enough: a smaller one, for people to read, takes ten times as long to find.
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("faults", phases=phases, deadline=None, database=None)
        options = [
            *("-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--no-header", "--tb=short"),
            *(
                f"--basetemp={base}",
                "--hypothesis-seed=0",
                "--hypothesis-profile=faults",
                "-W",
                "ignore::pytest.PytestAssertRewriteWarning",
            ),
        ]
        return int(pytest.main([*options, *tests], plugins=[Notes(notes, tests)]))


class Notes:
    """A plugin of pytest that writes down which test is running and which has failed.

    Args:
        path: of the file.
        tests: the files in the order in which they are to be run, whatever order the tree prefers.
    """

    def __init__(self, path: Path, tests: Sequence[str]) -> None:
        self.path, self.tests = path, [test.partition("::")[0] for test in tests]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Puts the tests into the order of the files."""
        items.sort(key=self._rank)

    def _rank(self, item: Any) -> int:
        name = item.nodeid.partition("::")[0]
        places = [at for at, test in enumerate(self.tests) if name == test or name.startswith(test.rstrip("/") + "/")]
        return places[0] if places else len(self.tests)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Notes that a test begins."""
        self._note("begun", nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Notes that one has failed, its preparation and its end included."""
        if report.failed:
            self._note("failed", report.nodeid)

    def _note(self, what: str, test: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"what": what, "test": test}) + "\n")


def _wait(pid: int, limit: float) -> tuple[int | None, float]:
    """Returns how a fork ended, None where it was ended here, and the seconds of processor time that it took."""
    until = time.monotonic() + limit
    pause, ending = 0.02, 0
    try:
        while True:
            found, status, usage = os.wait4(pid, os.WNOHANG)
            if found:
                return (None if ending else status), usage.ru_utime + usage.ru_stime
            if time.monotonic() > until:
                _signal(pid, signal.SIGINT if not ending else signal.SIGKILL)
                ending, until = ending + 1, time.monotonic() + GRACE
            time.sleep(pause)
            pause = min(0.5, 1.3 * pause)
    except BaseException:
        _signal(pid, signal.SIGKILL)
        raise


def _signal(pid: int, number: int) -> None:
    """Sends a signal to a fork and to the processes that it started."""
    for send in (os.killpg, os.kill):  # it may not have a group of its own yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(pid, number)
            return


class Judge:
    """Tells which faults a tree's tests catch.

    Args:
        copy: of the tree.
        limit: seconds that one run of tests may take.
    """

    def __init__(self, copy: Copy, limit: float) -> None:
        self.copy, self.limit = copy, limit
        self.passing: dict[str, bool] = {}

    def judge(self, fault: Fault) -> Result:
        """Returns what becomes of a fault."""
        seconds, missing = 0.0, []
        for tests in (fault.tests, fault.also):
            there = [test for test in tests if (self.copy.tree / test.partition("::")[0]).exists()]
            missing += [test for test in tests if test not in there]
            if not there:
                continue
            try:
                with self.copy.planted(fault):
                    outcome = self.copy.run_tests(there, self.limit)
            except FaultError as error:
                return Result(fault.id, fault.promise, "error", str(error), seconds)
            seconds += outcome.seconds
            if outcome.state == "passed":
                continue
            if outcome.state == "broken":
                return Result(fault.id, fault.promise, "error", f"the tests broke off: {outcome.output}", seconds)
            own = self._passes(outcome.test)
            seconds += own.seconds
            if own.state != "passed":
                how = f"{outcome.test} {own.state} without the fault too: {own.output}"
                return Result(fault.id, fault.promise, "error", how, seconds)
            how = outcome.test + (f" hung for {self.limit:g} s" if outcome.state == "hung" else "")
            return Result(fault.id, fault.promise, "caught", how, seconds)
        if len(missing) == len(fault.tests) + len(fault.also):
            return Result(fault.id, fault.promise, "error", f"no such tests: {', '.join(missing)}", seconds)
        how = f"not there: {', '.join(missing)}" if missing else ""
        return Result(fault.id, fault.promise, "slipped", how, seconds)

    def _passes(self, test: str) -> Outcome:
        """Returns what becomes of a test without any fault; where it is known that it passes, it is not run again."""
        if self.passing.get(test):
            return Outcome("passed", "", 0.0, "")
        outcome = self.copy.run_tests([test], self.limit)
        self.passing[test] = outcome.state == "passed"
        return outcome


def judge_all(tree: Path, faults: Sequence[Fault], jobs: int, limit: float) -> Iterator[Result]:
    """Yields what becomes of each fault, as it is known; `jobs` copies of the tree are used at once."""
    with tempfile.TemporaryDirectory(prefix="striate-mutants-") as folder:
        read, write = os.pipe()
        workers = []
        for number in range(jobs):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    os.close(read)
                    judge = Judge(Copy(tree, Path(folder) / str(number)), limit)
                    for fault in faults[number::jobs]:
                        os.write(write, (json.dumps(asdict(judge.judge(fault)), ensure_ascii=False) + "\n").encode())
                    code = 0
                finally:
                    os._exit(code)
            workers.append(pid)
        os.close(write)
        try:
            with os.fdopen(read, encoding="utf-8") as lines:
                for line in lines:
                    yield Result(**json.loads(line))
        except BaseException:
            for pid in workers:
                _signal(pid, signal.SIGINT)
            raise
        finally:
            for pid in workers:
                os.waitpid(pid, 0)


def summarize(results: Sequence[Result], wall: float) -> dict[str, Any]:
    """Returns the figures as plain JSON values."""
    promises = dict.fromkeys(result.promise for result in results)
    return {
        "faults": len(results),
        "caught": sum(result.state == "caught" for result in results),
        "slipped": [result.id for result in results if result.state == "slipped"],
        "errors": [result.id for result in results if result.state == "error"],
        "promises": {
            name: {
                "faults": sum(result.promise == name for result in results),
                "caught": sum(result.promise == name and result.state == "caught" for result in results),
            }
            for name in promises
        },
        "processor_seconds": round(sum(result.seconds for result in results), 1),
        "seconds": round(wall, 1),
        "versions": {"python": platform.python_version(), **_versions("keras", "tensorflow", "numpy", "pytest")},
        "results": [asdict(result) for result in results],
    }


def _versions(*names: str) -> dict[str, str]:
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def preload(names: Sequence[str]) -> None:
    """Imports the plugins of pytest and these packages; one that is not installed is left out."""
    os.environ.update(ENVIRONMENT)
    for plugin in importlib.metadata.entry_points(group="pytest11"):
        plugin.load()
    own = os.environ.pop("KERAS_HOME", None)
    with tempfile.TemporaryDirectory() as home:
        os.environ["KERAS_HOME"] = home  # nobody's own configuration
        for name in names:
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(name)
    del os.environ["KERAS_HOME"]
    if own is not None:
        os.environ["KERAS_HOME"] = own
    gc.collect()
    gc.freeze()  # forks share these objects' memory with this process


def say(text: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Returns 0 where every fault was caught, 1 where one slipped through, 2 where one could not be judged."""
    parser = argparse.ArgumentParser(description="Plant faults, one at a time, and report which the tests catch.")
    parser.add_argument("--tree", type=Path, default=HERE.parents[1], help="whose src and tests; by default this one's")
    parser.add_argument("--faults", type=Path, default=HERE / "faults.toml", help="the table")
    parser.add_argument("--only", default="", help="ids, or beginnings of ids, separated by commas")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the tree that are used at once")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds that one run of tests may take")
    parser.add_argument("--json", type=Path, help="where the results are written, after every fault")
    parser.add_argument("--resume", action="store_true", help="leave out what that file has as caught or slipped")
    parser.add_argument("--check", action="store_true", help="only find every fault's text, and run nothing")
    parser.add_argument("--preload", default=",".join(PRELOAD), help="packages imported once, before forking")
    given = parser.parse_args()
    chosen = tuple(filter(None, given.only.split(",")))
    faults = [fault for fault in load_faults(given.faults) if not chosen or fault.id.startswith(chosen)]
    tree = given.tree.resolve()
    if given.check:
        return _check(tree, faults)
    known: list[Result] = []
    if given.resume and given.json.is_file():
        ids = {fault.id for fault in faults}
        rows = [Result(**row) for row in json.loads(given.json.read_text(encoding="utf-8"))["results"]]
        known = [row for row in rows if row.id in ids and row.state != "error"]
    done = {row.id for row in known}
    began = time.monotonic()
    preload(tuple(filter(None, given.preload.split(","))))
    results = list(known)
    for result in judge_all(tree, [fault for fault in faults if fault.id not in done], given.jobs, given.limit):
        results.append(result)
        say(f"{result.state:8} {result.id:40} {result.seconds:5.0f} s  {result.how}")
        if given.json is not None:
            text = json.dumps(summarize(results, time.monotonic() - began), indent=1)
            given.json.write_text(text + "\n", encoding="utf-8")
    found = summarize(results, time.monotonic() - began)
    for name, row in found["promises"].items():
        say(f"{name:24} {row['caught']:3} of {row['faults']:3}")
    say(f"{found['caught']} of {found['faults']} caught, in {found['processor_seconds']:.0f} s of processor time")
    if found["errors"] or len(results) < len(faults):
        return 2
    return 1 if found["slipped"] else 0


def _check(tree: Path, faults: Sequence[Fault]) -> int:
    """Returns 0 where every fault can be planted and has tests, 2 where one cannot."""
    code = 0
    for fault in faults:
        try:
            find_replacement(tree, fault)
        except FaultError as error:
            say(f"{fault.id}: {error}")
            code = 2
        if missing := [test for test in (*fault.tests, *fault.also) if not (tree / test).exists()]:
            say(f"{fault.id}: not there: {', '.join(missing)}")
    return code


if __name__ == "__main__":
    sys.exit(main())

"""What the README and the other documents say still works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from striate.cli import COMMANDS

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.heavy
def test_the_python_example_runs_as_printed(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    accuracy = float(done.stdout.split()[0])
    assert accuracy > 0.8
    assert "Traceback" not in done.stderr


def test_every_command_named_exists_and_every_command_is_named() -> None:
    named = set(re.findall(r"^striate ([\w-]+)", README, flags=re.M)) | set(
        re.findall(r"[\w-]+", next(line for line in README.splitlines() if line.startswith("striate models ·")))
    )
    assert set(COMMANDS) <= named
    assert named - set(COMMANDS) <= {"striate"}


@pytest.mark.parametrize("document", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]), ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_architecture_document_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    modules = [
        path for path in (ROOT / "src" / "striate").rglob("*.py") if path.name not in ("__init__.py", "__main__.py")
    ]
    missing = [path.name for path in modules if not re.search(rf"\b{path.stem}\b", text) and "cli" not in path.parts]
    assert missing == []


def test_make_knows_the_targets_that_documents_name() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in (README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        for target in re.findall(r"^make (\w+)", document, flags=re.M):
            assert re.search(rf"^{target}:", makefile, flags=re.M), target

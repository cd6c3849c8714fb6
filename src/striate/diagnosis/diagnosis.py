"""Diagnosis: one thing that is wrong with a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from striate.config import config
from striate.diagnosis.evidence import Evidence


@config
class Diagnosis:
    """A fault, what shows it, and one thing to try.

    Attributes:
        kind: a fixed word for it.
        severity: `error`: what came out is of no use, or its figures are wrong; `warning`: it could be better.
        verdict: what is wrong, in one sentence without its full stop.
        evidence: what shows it.
        try_: one command.
        files: the pictures concerned, by key, as far as they are known.
    """

    kind: str
    severity: Literal["error", "warning"]
    verdict: str
    evidence: str
    try_: str
    files: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Verdict and command in one line."""
        return f"{self.verdict}. Try: {self.try_}"


Fault = Callable[[Evidence], Diagnosis | None]
"""Looks for one kind of fault."""

"""Every error Striate raises on purpose.

StriateError                 what is wrong. Received. Expected. Try.
├── ConfigError              a recipe or another JSON document says something impossible
│   └── UnknownNameError     a name that no table holds (the nearest one is suggested)
├── DataError                a data set that cannot be used as it is
│   ├── ImageDecodeError         one image that cannot be decoded
│   └── DownloadError        a named data set that could not be fetched
├── RunError                 a run folder that is missing, taken, unfinished or damaged
├── ClassifierError          a saved classifier that cannot be loaded safely
├── WeightsError             pretrained weights that cannot be used
├── BackendError             no usable Keras backend, or a file that shadows one
└── TrainingError            a training that cannot go on
"""

from __future__ import annotations

from collections.abc import Iterable


class StriateError(Exception):
    """One clear message for the user; the command line prints it and exits with 2.

    Args:
        problem: what is wrong, one sentence without its full stop.
        received: what was given.
        expected: what would have been right.
        hint: what to do next (shown after "Try:").
    """

    def __init__(
        self, problem: str, *, received: object = None, expected: object = None, hint: str | None = None
    ) -> None:
        self.problem = problem
        self.hint = hint
        parts = [problem]
        if received is not None:
            parts.append(f"Received: {received if str(received).strip(' .') else repr(str(received))}")
        if expected is not None:
            parts.append(f"Expected: {expected}")
        if hint is not None:
            parts.append(f"Try: {hint}")
        super().__init__(to_printable(". ".join(part.removesuffix(".") for part in parts) + "."))


class ConfigError(StriateError):
    """A recipe or another JSON document says something impossible."""


class UnknownNameError(ConfigError):
    """A name that no table holds.

    Args:
        kind: what was being named ("architecture", "recipe", …).
        received: the name as given.
        choices: the names there are.
    """

    def __init__(self, kind: str, received: str, choices: Iterable[str]) -> None:
        names = list(choices)
        near = find_nearest_name(received, names)
        super().__init__(
            f"There is no {kind} of that name",
            received=received,
            expected="one of " + ", ".join(names),
            hint=near,
        )


class DataError(StriateError):
    """A data set that cannot be used as it is."""


class ImageDecodeError(DataError):
    """One image that cannot be decoded; `problem` is the reason alone."""


class DownloadError(DataError):
    """A named data set that could not be fetched."""


class RunError(StriateError):
    """A run folder that is missing, taken, unfinished or damaged."""


class RunLockedError(RunError):
    """A run folder that another process is at work in."""


class ClassifierError(StriateError):
    """A saved classifier that cannot be loaded safely."""


class WeightsError(StriateError):
    """Pretrained weights that cannot be used."""


class BackendError(StriateError):
    """No usable Keras backend, or a file that shadows one."""


class ClusterError(StriateError):
    """A cluster that cannot be used."""


class TrainingError(StriateError):
    """A training that cannot go on."""


def find_nearest_name(name: str, choices: Iterable[str]) -> str | None:
    """Returns the known name that looks most like `name`, or None when none comes close."""
    import difflib

    folded = {candidate.lower(): candidate for candidate in choices}
    found = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def to_printable(text: str) -> str:
    r"""Returns `text` with control characters shown as escapes (`\x1b`), line breaks kept.

    File and class names come from users; printed raw, they could repaint a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )

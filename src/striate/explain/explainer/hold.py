"""What a page holds of a network that is too large to embed whole: some layers' weights, and the values these need."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

from striate.errors import ConfigError
from striate.explain.explainer.steps import Step

MOST = 12 * 2**20  # bytes of weights in a page
ASKED_MOST = 64 * 2**20  # bytes of weights that somebody asked for by name
LARGE = 4 * 2**20  # bytes of one step's value for one picture that a page does not hold


@dataclass(frozen=True)
class Held:
    """What the page has of every step.

    Attributes:
        weights: whether it has the weights, or there are none.
        states: `computed` in the page; `given`: Keras' value is in the page; `absent`.
    """

    weights: tuple[bool, ...]
    states: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether everything is computed in the page."""
        return set(self.states) == {"computed"}


def held(found: Sequence[Step], asked: Collection[str] = (), most: int = MOST) -> Held:
    """Returns what a page with `most` bytes of weights holds: the layers asked for, the logits, and then, from the
    picture on, whatever fits.

    Raises:
        ConfigError: a layer asked for is not in the network, or by far too large.
    """
    kept = _kept(found, asked, most)
    states: list[str] = []
    for position, step in enumerate(found):
        is_known = step.kind != "other" and kept[position]
        if is_known and step.weights:
            for source in step.inputs:
                known_to_keras = found[source].operation is not None
                if states[source] == "absent" and known_to_keras and _bytes(found[source]) <= LARGE:
                    states[source] = "given"
        is_computed = is_known and all(states[source] != "absent" for source in step.inputs)
        is_last = position == len(found) - 1
        is_small = step.kind == "other" and _bytes(step) <= LARGE
        states.append("computed" if is_computed else "given" if is_last or is_small else "absent")
    return Held(tuple(kept), tuple(states))


def _kept(found: Sequence[Step], asked: Collection[str], most: int) -> list[bool]:
    wanted = [any(step.name == name or step.name.startswith(f"{name}/") for name in asked) for step in found]
    for name in asked:
        if not any(step.name == name for step in found):
            names = [step.name for step in found if step.weights]
            raise ConfigError("There is no such layer", received=name, expected=", ".join(names[-8:]))
    sizes = [sum(array.nbytes for array in step.weights.values()) for step in found]
    for step, size, is_wanted in zip(found, sizes, wanted, strict=True):
        if is_wanted and size > ASKED_MOST:
            raise ConfigError(
                f"The weights of {step.name} are too many for a page",
                received=f"{size / 2**20:,.0f} MB",
                expected=f"at most {ASKED_MOST // 2**20} MB",
            )
    last = len(found) - 1
    order = sorted(range(len(found)), key=lambda at: (not wanted[at], at != last, at))
    kept, used = [False] * len(found), 0
    for position in order:
        if wanted[position] or not sizes[position] or used + sizes[position] <= most:
            kept[position] = True
            used += sizes[position]
    return kept


def _bytes(step: Step) -> int:
    return 4 * prod(step.shape)

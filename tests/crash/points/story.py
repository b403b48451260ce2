"""What the oracle expects after each step, and after any part of one."""

from typing import Any

import attrs

from qml.testing.compare import outcome

from .scenario import STEPS
from .world import Oracle, Snapshot, plain


@attrs.frozen
class Expected:
    """Of one step: what its caller is told, and how the store may look when it was begun and not
    answered: as before it, then part by part; the last is the whole step. ``oracles``: the same, to
    go on with."""

    answer: Any
    states: tuple[Snapshot, ...]
    oracles: tuple[Oracle, ...]


def expectations() -> list[Expected]:
    """Of every step, in order."""
    oracle = Oracle()
    found = []
    for step in STEPS:
        before = oracle.copy()
        oracle.parts.clear()
        answer = plain(outcome(step.take, oracle))
        oracles = (before, *oracle.parts, oracle.copy())
        found.append(Expected(answer, tuple(world.look() for world in oracles), oracles))
    return found

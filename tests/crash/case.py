"""All that is judged of a run: its history, what the store holds at the end, other signs."""

from collections.abc import Iterator
from typing import Any

import attrs

from qml.testing.history import Verdict

from .history import History


@attrs.frozen
class Stored:
    """A job as the store had it at the end."""

    id: str
    state: str
    fence: int
    attempt: int
    max_attempts: int
    result: Any = None
    exception: str = ""


@attrs.frozen
class Case:
    """``printed``: what the processes wrote to stderr; ``flaw``: what the store finds wrong with
    itself; ``drained``: how many seconds the rest took to be done (None = it never was);
    ``checked``: what the checker of histories makes of the calls, if they were noted."""

    history: History
    stored: dict[str, Stored]
    printed: tuple[str, ...] = ()
    flaw: str = ""
    drained: float | None = 0.0
    checked: Verdict | None = None


Faults = Iterator[str]
"""Of each, a sentence."""

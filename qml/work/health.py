"""Whether a server is alive, and whether it is ready to take jobs."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import attrs

from .claiming import ClaimLoop
from .outage import Outage
from .pulse import Pulse

STUCK = 120.0
"""Seconds that a loop may stand still: longer than any storage waits for an answer by default."""

UNANSWERED = 5.0
"""Seconds that a claim may go without an answer before the server counts as not ready."""


@attrs.frozen
class Health:
    """``alive``: all its loops take their turns. An outage of the store does not change that: they
    wait it out, and another process would not do better. ``ready``: the store answers, and jobs are
    claimed. ``why``: what is missing, in words; "" when it is ready."""

    alive: bool
    ready: bool
    why: str = ""


class Loop(NamedTuple):
    """A loop of a server: its thread and its pulse."""

    thread: threading.Thread
    pulse: Pulse


def judged(
    loops: Sequence[Loop], claiming: ClaimLoop, outage: Outage, stopping: threading.Event
) -> Health:
    """How a server is whose loops these are. No store is asked: this never waits."""
    ending = stopping.is_set() or claiming.ended.is_set()
    for thread, pulse in loops:
        if pulse.late > STUCK:
            return Health(False, False, f"{thread.name} has stood still for {pulse.late:.0f} s")
        if not ending and not thread.is_alive():
            return Health(False, False, f"{thread.name} has ended")
    why = _not_ready(loops, claiming, outage, ending)
    return Health(True, why is None, why or "")


def _not_ready(
    loops: Sequence[Loop], claiming: ClaimLoop, outage: Outage, ending: bool
) -> str | None:
    if not loops:
        return "it was not started"
    if ending:
        return "it is stopping"
    if claiming.draining:
        return "it drains: it claims nothing more"
    if failing := outage.failing:
        return f"the store does not do as it is told: {', '.join(failing)}"
    if claiming.pulse.late > UNANSWERED:
        return f"the store has not answered a claim for {claiming.pulse.late:.0f} s"
    if not claiming.answered:
        return "the store has not answered yet"
    return None

"""Lanes: rows of one queue that are under the same limits.

A row that is under none has no lane. What a lane allows is asked when a row is claimed, and never
stored: permits are counted from the leases that are live, and of a pace one time is kept. A driver
may keep hints of where to look (the best row of a lane, when it may open); they may tell a row that
is better, or a time that is earlier, than what is, and never the other way.
"""

import json
from typing import NamedTuple

LAPSED_FOR_GOOD = 86_400_000_000
"""Microseconds by which a claim puts back the leases of those who lapsed under a permit that it
takes, or has again. A renewal that was long on its way, and still thinks itself in time, finds them
lapsed so."""


class Lane(NamedTuple):
    """``permit``: under which name live claims are counted, ``permits`` how many there may be.
    ``pace``: under which name starts are counted, ``gap`` microseconds from one to the next, and
    ``burst`` of them at once after a quiet time. Either part may be None."""

    queue: str
    permit: str | None = None
    permits: int | None = None
    pace: str | None = None
    gap: int | None = None
    burst: int | None = None


class Used(NamedTuple):
    """What of some names is used: for each permit the leases under it that are live, and for each
    pace its time: the microsecond up to which its starts have been given out (0 = none was)."""

    live: list[int]
    paced: list[int]


def encode(lane: Lane) -> str:
    """A lane as text: a JSON array of texts, since not all who read it keep whole numbers whole.
    Equal lanes have equal texts."""
    parts = [part if part is None else str(part) for part in lane]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Lane:
    """The lane that ``encode`` wrote. Any other text, on a damaged row, is one without limits."""
    try:
        queue, permit, permits, pace, gap, burst = json.loads(text)
        return Lane(queue, permit, _int(permits), pace, _int(gap), _int(burst))
    except (ValueError, TypeError, RecursionError):
        return Lane("")


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)


def opens_at(lane: Lane, paced: int) -> int:
    """From when on the pace of a lane allows a start; ``paced`` is its time."""
    if lane.gap is None:
        return 0
    return paced - ((lane.burst or 1) - 1) * lane.gap


def started(lane: Lane, paced: int, now: int) -> int:
    """The time of a pace after one more start at ``now``."""
    return max(paced, now) + (lane.gap or 0)

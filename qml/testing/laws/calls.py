"""One atomic call, the rows around it, and who made it: what the laws are asked about."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ...seam.rows import Row

FINAL = ("succeeded", "failed", "deleted")
BY_HAND = ("cancels", "retries", "updates", "deletes")
"""What people and programs ask for by a job's name, and what may change one that rests."""


class End(NamedTuple):
    """A claim that somebody has in hand and ends now: ``charged`` = its attempt counts."""

    seq: int
    fence: int
    charged: bool


class Who(NamedTuple):
    """Who makes a call. ``name``: its worker's; ``acts``: "claims", "records", "cancels" and the
    like; ``ends``: the claims whose ends it brings, None = those it has just made; ``read``: the
    version that an update was made from; ``since``: when it began to act, by the true time."""

    name: str
    acts: str
    ends: frozenset[End] | None = None
    read: int | None = None
    since: int | None = None


class Place(NamedTuple):
    """The record of a schedule as it ``was`` before a call that wrote it, and is ``now``, both as
    JSON data; None = there is none. ``ended``: when its last job ended or was removed;
    None = it was not."""

    name: str
    was: Mapping[str, Any] | None
    now: Mapping[str, Any] | None
    ended: int | None = None


class Call(NamedTuple):
    """One atomic call: what was asked and answered, all rows by id before and after it, the true
    time in microseconds, who asked, and the ``place`` of a schedule, if it was written."""

    verb: str
    order: Any
    answer: Any
    before: Mapping[str, Row]
    after: Mapping[str, Row]
    now: int
    who: Who
    place: Place | None = None


Broken = Iterator[str]
Law = Callable[[Call], Broken]


def changed(call: Call) -> Iterator[tuple[Row, Row]]:
    """The rows that the call changed, each before and after: not those that came or went."""
    for job_id, row in call.before.items():
        new = call.after.get(job_id)
        if new is not None and new != row:
            yield row, new


def arrived(call: Call) -> list[Row]:
    """The rows that the call has added, in the order of their places."""
    fresh = [row for job_id, row in call.after.items() if job_id not in call.before]
    return sorted(fresh, key=lambda row: row.seq or 0)


def set_once(row: Row) -> Mapping[str, Any]:
    """What was set of the job besides its arguments: retention, on_failure, schedule, slot."""
    return _set_once(row.payload)


@lru_cache(maxsize=1_000)
def _set_once(payload: str) -> Mapping[str, Any]:
    _, _, *others = json.loads(payload)
    return others[0] if others else {}


def holder(row: Row) -> str | None:
    """Who holds the row, if its lease lasts."""
    return row.locked_by or row.worker


def is_held(row: Row, now: int) -> bool:
    """Whether somebody holds the row at ``now``."""
    return row.lease_until is not None and row.lease_until > now


def difference(expected: Row, found: Row) -> str:
    """What of two rows differs, column by column."""
    names = [n for n in Row._fields if getattr(expected, n) != getattr(found, n)]
    return "; ".join(
        f"{n} should be {getattr(expected, n)!r}, is {getattr(found, n)!r}" for n in names
    )

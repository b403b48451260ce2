"""One atomic call, the rows around it, and who made it: what the laws are asked about."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ...seam.lanes import LAPSED_FOR_GOOD
from ...seam.rows import Finished, Move, Overdue, Row, Verdict

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


class Group(NamedTuple):
    """How many of a batch, or of those that a job comes after, have not ended; whether more are to
    come; how many did not succeed."""

    left: int = 0
    open: bool = True
    failed: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of it."""
        return self.left <= 0 and not self.open


class Shared(NamedTuple):
    """What jobs share. Before the call: the ``paused`` queues, and when jobs of each rate have
    ``started``, in microseconds. After it: the ``starts``, and the ``groups`` that are not over;
    those that are ``over`` by it, and how many failed in each."""

    paused: frozenset[str] = frozenset()
    started: Mapping[str, tuple[int, ...]] = {}
    starts: Mapping[str, tuple[int, ...]] = {}
    groups: Mapping[str, Group] = {}
    over: Mapping[str | None, int] = {}


class Call(NamedTuple):
    """One atomic call: what was asked and answered, all rows by id before and after it, the true
    time in microseconds, who asked, the ``place`` of a schedule, if it was written, and what jobs
    share."""

    verb: str
    order: Any
    answer: Any
    before: Mapping[str, Row]
    after: Mapping[str, Row]
    now: int
    who: Who
    place: Place | None = None
    shared: Shared = Shared()


Broken = Iterator[str]
Law = Callable[[Call], Broken]


def changed(call: Call) -> Iterator[tuple[Row, Row]]:
    """The rows that the call changed, each before and after: not those that came or went, nor those
    that were only woken by it, or are waited for since."""
    for job_id, row in call.before.items():
        new = call.after.get(job_id)
        if new is not None and new != row and not is_touched(call, row, new):
            yield row, new


def is_dormant(row: Row) -> bool:
    """Whether a row waits for others."""
    return row.awaits is not None and row.due_at is None and row.state not in (*FINAL, "processing")


def is_touched(call: Call, was: Row, now: Row) -> bool:
    """Whether nothing befell a row but that others have ended, or come after it, or have begun
    under the permit that it had until it lapsed."""
    if call.verb == "insert":
        return now._replace(counts=was.counts) == was
    if call.verb in ("claim", "hold"):
        until = (was.lease_until or 0) - LAPSED_FOR_GOOD
        begun = None if was.permit is None else _begun(call).get(was.permit)
        lapsed = begun is not None and not is_held(was, begun)
        return lapsed and now == was._replace(lease_until=until)
    slept = now._replace(due_at=None, version=was.version, expires_at=was.expires_at)
    return is_dormant(was) and was.awaits in call.shared.over and slept == was


def _begun(call: Call) -> dict[str | None, int]:
    """The permits under which the call had a claim begin, or one that had lapsed live again; and
    what time it was to the caller."""
    if call.verb == "claim":
        return {row.permit: call.order.now for row in call.answer.rows}
    return {
        call.before[order.id].permit: order.now
        for order, verdict in zip(call.order, call.answer, strict=True)
        if verdict is Verdict.DONE and not is_held(call.before[order.id], order.now)
        if call.before[order.id].permit is not None
    }


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


def named(call: Call) -> set[str]:
    """The ids of the rows that a call may change."""
    if call.verb == "claim":
        return {row.id for row in call.answer.rows}
    if call.verb == "insert":
        return set() if call.answer.obstacles else {row.id for row in call.order[0]}
    if call.verb == "let_go":
        return {call.order[0]}
    if call.verb == "erase":
        return {job_id for job_id, row in call.before.items() if _may_go(row, call.order)}
    if call.verb in ("hold", "swap"):
        done = [
            order
            for order, verdict in zip(call.order, call.answer, strict=True)
            if verdict is Verdict.DONE
        ]
        return {id_of(order) for order in done} | {row.id for order in done for row in _then(order)}
    return set()


def _then(order: Any) -> tuple[Row, ...]:
    """What is inserted with a change that is done."""
    return order.then if isinstance(order, Move) else ()


def id_of(order: Any) -> str:
    """Which row an order is about."""
    return str(order.id if hasattr(order, "id") else order.row.id)


def _may_go(row: Row, target: Any) -> bool:
    if isinstance(target, Overdue):
        return row.purge_at is not None and row.purge_at <= target.by
    if not isinstance(target, Finished):
        return row.id in target
    ended = row.finished_at is not None and row.finished_at <= target.by
    return row.state == target.state and ended and row.purge_at is None

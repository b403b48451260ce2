"""Claims where lanes or pauses keep rows back: several statements in one transaction.

Who has the lock of the lanes alone looks at them and changes them, so no two claims count the same
permit, and nobody waits for a lane. Who does not get it at once takes of the other rows, and waits
for it only where there are none.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...seam.lanes import LAPSED_FOR_GOOD, Used
from ...seam.rows import Claim
from .. import lanes
from ..lanes import Place
from . import arrays
from .connections import Call, Connections
from .session import Rows

FIRST = {"rank": -(2**63), "seq": 0, "number": 0}
"""Before all lanes."""

MOST_AT_ONCE = 1_000
"""Lanes that are looked at together, at most: where hints were too good, more each time."""


def take(
    call: Call, claim: Claim, values: dict[str, object], *, ripened: bool
) -> tuple[Rows, bool]:
    """What the claim brings; and whether anything keeps rows back, or may."""
    values = values | {"ripened": True, "careful": True, "day": LAPSED_FOR_GOOD}
    of = "" if claim.queues is None else "_queues"
    ripen = "" if ripened else call.sql["ripen" + of]
    with call.transaction():
        [(paused, kept, locked, due)] = call.run(call.sql["look"], values)
        ripen = ripen if due else ""
        if locked:
            return _of_all(call, claim, values, paused, ripen), True
        found = _without_lanes(call, claim, values, paused, ripen)
    if not kept:
        return found, bool(paused)
    if found[0][3] is not None:
        return _to_be_continued(found, claim), True
    with call.transaction():
        [(paused, *_)] = call.run(call.sql["lock_lanes"] + call.sql["look"], values)
        return _of_all(call, claim, values, paused, ""), True


def _to_be_continued(found: Rows, claim: Claim) -> Rows:
    """Who may take more is told to ask again at once: lanes were not looked at."""
    if len(found) >= claim.limit:
        return found
    return [(claim.now, *found[0][1:]), *found[1:]]


def _without_lanes(
    call: Call, claim: Claim, values: dict[str, object], paused: list[str], ripen: str
) -> Rows:
    """Of the rows that have no lane."""
    if claim.queues is None and not paused:
        return call.run(ripen + call.sql["claim"], values)
    queues = _queues(call, ripen, values, claim, paused)
    return call.run(call.sql["claim_queues"], values | {"queues": queues})


def _queues(
    call: Call, before: str, values: dict[str, object], claim: Claim, paused: list[str]
) -> str:
    """The queues to claim from: of all, those that have something."""
    queues = claim.queues
    if before or queues is None:
        known = call.run(before + call.sql["known_queues"], values)
        queues = queues if queues is not None else tuple(queue for (queue,) in known)
    return arrays.literal(queue for queue in dict.fromkeys(queues) if queue not in paused)


def _of_all(
    call: Call, claim: Claim, values: dict[str, object], paused: list[str], ripen: str
) -> Rows:
    """Of the rows with a lane and those without, by whoever has the lock."""
    of = "" if claim.queues is None else "_queues"
    tell = ripen + call.sql["tell_lanes"]
    if paused:
        values = values | {"queues": _queues(call, tell, values, claim, paused)}
        of, tell = "_queues", ""
    plain = call.run(tell + call.sql["plain_rows" + of], values)
    seen = _Seen(call, call.sql["open_lanes" + of], values, claim.limit)
    choice = lanes.choose(claim, _heads(plain, None), seen)
    permits = {seen.permits[row.lane] for row in choice.rows if row.lane is not None} - {None}
    values |= {
        "permits": arrays.literal(permits),
        "chosen": arrays.literal(row.seq for row in choice.rows),
        "looked_at": arrays.literal(choice.looked_at),
        "opening": arrays.literal(opens_at or 0 for opens_at in choice.looked_at.values()),
        "paces": arrays.literal(choice.paces),
        "times": arrays.literal(choice.paces.values()),
    }
    put_back = call.sql["put_back"] if permits else ""
    settle = call.sql["settle_lanes"] if choice.looked_at else ""
    start = call.sql["start_paces"] if choice.paces else ""
    return call.run(put_back + settle + start + call.sql["claim_chosen" + of], values)


class Head(NamedTuple):
    """Of a row, as much as is needed to choose it."""

    priority: int
    seq: int
    expires_at: int | None
    lane: str | None


def _heads(found: Rows, lane: str | None) -> list[Head]:
    return [Head(priority, seq, expires_at, lane) for priority, seq, expires_at in found]


class _Seen:
    """What a claim may ask of the lanes, page by page."""

    def __init__(self, call: Call, page: str, values: dict[str, object], limit: int) -> None:
        self._call = call
        self._page = page
        self._values = values
        self._limit = limit
        self._rows: dict[str, list[Head]] = {}
        self.permits: dict[str, str | None] = {}
        self._most: dict[str, int] = {}
        self._leases: dict[str, list[int]] = {}
        self._paced: dict[str, int] = {}

    def hints(self) -> Iterator[tuple[Place, str]]:
        """The lanes that may be open: at first those that may be needed, and two that are asked
        for before they are."""
        size, last = self._limit + 2, FIRST
        while True:
            found = self._call.run(self._page, {**self._values, **last, "lanes": size})
            for rank, seq, number, lane, permit, pace, most, leases, paced, heads in found:
                self._rows[lane] = _heads(heads or [], lane)
                self.permits[lane] = permit
                self._most[lane] = most
                self._leases[permit] = leases
                self._paced[pace] = paced or 0
                last = {"rank": rank, "seq": seq, "number": number}
                yield (rank, seq), lane
            if len(found) < size:
                return
            size = min(2 * size + 10, MOST_AT_ONCE)

    def rows(self, lane: str) -> Iterator[Head]:
        """The rows of a lane that the claim could take, best first."""
        rows = self._rows[lane]
        seen: list[int] = []
        while rows:
            yield from rows
            if len(rows) < self._most[lane]:
                return
            seen += [row.seq for row in rows]
            more = {"lane": lane, "seen": arrays.literal(seen)}
            found = self._call.run(self._call.sql["rows_of_lane"], self._values | more)
            rows = _heads(found, lane)

    def leases(self, permit: str) -> list[int]:
        """When the live leases under a permit end."""
        return self._leases.get(permit, [])

    def paced(self, pace: str) -> int:
        """The time of a pace."""
        return self._paced.get(pace, 0)


def used(connections: Connections, now: int, permits: Sequence[str], paces: Sequence[str]) -> Used:
    """See Driver.used."""
    values = {"now": now, "permits": arrays.literal(permits), "paces": arrays.literal(paces)}
    return Used._make(connections.ask("used", values)[0])

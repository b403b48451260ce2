"""Lanes: what a claim asks of them, and writes down of those it looked at."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from ...seam.lanes import LAPSED_FOR_GOOD, Used
from ...seam.rows import Claim, Row, as_row
from ..lanes import Choice, Place
from .statements import SQL

FIRST_PAGE = 1
"""Rows of a lane that are looked at first, since most lanes let one pass; then twice as many."""

SWEPT = 10
"""Times of paces that are over, and forgotten by each claim that writes one."""


class Head(NamedTuple):
    """As much of a row in a lane as is needed to choose it. The whole of those that are chosen is
    read at once: each look costs 5 us, and as many columns as a row has 33."""

    seq: int
    priority: int
    expires_at: int | None
    lane: str


class Seen:
    """See drivers.lanes.Lanes: what a claim may ask of the lanes in its queues (None = all)."""

    def __init__(
        self, connection: sqlite3.Connection, claim: Claim, queues: Sequence[str] | None
    ) -> None:
        self._execute = connection.execute
        self._queues = queues
        self._limits = {"now": claim.now, "worker": claim.worker}

    def hints(self) -> Iterator[tuple[Place, str]]:
        """The lanes that may be open."""
        if self._queues is None:
            walks = [self._execute(SQL["open_lanes"])]
        else:
            walks = [
                self._execute(SQL["open_lanes_in_queue"], {"queue": queue})
                for queue in dict.fromkeys(self._queues)
            ]
        return (((priority, seq), lane) for priority, seq, lane in merge(*walks))

    def rows(self, lane: str) -> Iterator[Head]:
        """The rows of a lane that the claim could take, best first. By pages, since a cursor left
        open would have the next lane's statement compiled anew."""
        most, seen = FIRST_PAGE, 0
        while True:
            values = {**self._limits, "lane": lane, "limit": most, "offset": seen}
            found = self._execute(SQL["best_in_lane"], values).fetchall()
            yield from map(Head._make, found)
            if len(found) < most:
                return
            seen, most = seen + most, 2 * most

    def leases(self, permit: str) -> list[int]:
        """When the live leases under a permit end."""
        found = self._execute(SQL["leases"], {"permit": permit, "now": self._limits["now"]})
        return [until for (until,) in found]

    def paced(self, pace: str) -> int:
        """The time of a pace."""
        found = self._execute(SQL["pace"], {"pace": pace}).fetchone()
        return int(found[0]) if found else 0


def queues(connection: sqlite3.Connection) -> list[str]:
    """The queues of the lanes that may be open."""
    return [queue for (queue,) in connection.execute(SQL["queues_of_lanes"])]


def may_be_open(connection: sqlite3.Connection, queue: str | None) -> bool:
    """Whether a lane of the queue (None = any) may be."""
    statement = SQL["open_lanes" if queue is None else "open_lanes_in_queue"]
    return connection.execute(statement, {"queue": queue}).fetchone() is not None


def whole(connection: sqlite3.Connection, chosen: Sequence[Row | Head]) -> list[Row]:
    """The rows that were chosen."""
    seqs = {"seqs": json.dumps([one.seq for one in chosen if isinstance(one, Head)])}
    found = {row.seq: row for row in map(as_row, connection.execute(SQL["rows"], seqs))}
    return [found[one.seq] if isinstance(one, Head) else one for one in chosen]


def put_back(connection: sqlite3.Connection, permits: Iterable[str], now: int) -> None:
    """Have those who lapsed under these permits have lapsed for good."""
    values = ({"permit": one, "now": now, "span": LAPSED_FOR_GOOD} for one in permits)
    connection.executemany(SQL["put_back"], values)


def settle(connection: sqlite3.Connection, choice: Choice[Row | Head], now: int) -> None:
    """Write down what a claim found: of each lane its best row, and when it may open; and the new
    times of paces."""
    found = choice.looked_at.items()
    connection.executemany(SQL["forget_lane"], [(lane,) for lane, _ in found])
    connection.executemany(SQL["settle_lane"], [(opens_at, lane) for lane, opens_at in found])
    if choice.paces:
        connection.executemany(SQL["set_pace"], choice.paces.items())
        limit = SWEPT + len(choice.paces)
        connection.execute(SQL["sweep_paces"], {"now": now, "limit": limit})


def used(
    connection: sqlite3.Connection, now: int, permits: Sequence[str], paces: Sequence[str]
) -> Used:
    """How many claims of each permit are live, and the time of each pace."""
    seen = Seen(connection, Claim("", now, now, 0, 0, None, ""), None)
    live = [len(seen.leases(permit)) for permit in permits]
    return Used(live, [seen.paced(pace) for pace in paces])

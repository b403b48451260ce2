"""Claims on the memory driver's table: the best rows that nothing keeps back."""

from collections.abc import Iterable, Iterator, Set
from itertools import islice

from ...seam.lanes import LAPSED_FOR_GOOD
from ...seam.rows import Claim, Claimed, Row, chosen, holdable
from ..lanes import Place, choose
from .table import Table


def take(table: Table, claim: Claim, paused: Set[str]) -> Claimed:
    """Take the best rows; what it costs does not depend on how many others there are."""
    table.ripen(claim.now)
    queues = claim.queues
    if paused:
        queues = tuple((table.queues() if queues is None else {*queues}) - paused)
    plain = _claimable(table.ready(claim.worker, queues), claim)
    if not table.lanes.known:
        best = list(islice(plain, claim.limit + claim.ahead))
        taken = chosen(best, claim)
    else:
        within = table.lanes.queues() if claim.queues is None else {*claim.queues}
        choice = choose(claim, plain, _Seen(table, claim, within - paused))
        taken = chosen(choice.rows, claim)
        table.lanes.start(choice.paces, claim.now)
    for row in taken:
        table.replace(row)
    if table.lanes.known:
        for permit in {row.permit for row in taken if row.permit is not None}:
            put_back(table, permit, claim.now)
        table.settle_lanes(choice.looked_at)
    return Claimed(taken, table.next_due())


def put_back(table: Table, permit: str, now: int) -> None:
    """Those who lapsed under a permit have lapsed for good: a renewal that left before comes too
    late, whatever it thinks the time is."""
    for row in list(table.until(("permit", permit), now)):
        if row.lease_until is not None and row.lease_until > now - LAPSED_FOR_GOOD:
            table.replace(row._replace(lease_until=max(0, row.lease_until - LAPSED_FOR_GOOD)))


def _claimable(rows: Iterator[Row], claim: Claim) -> Iterator[Row]:
    # An earlier claim may have had a later ``now``, so due_at and lease are asked again.
    return (
        row
        for row in rows
        if row.due_at is not None
        and row.due_at <= claim.now
        and holdable(row, claim.worker, claim.now)
    )


class _Seen:
    """What a claim may ask of the lanes of a table."""

    def __init__(self, table: Table, claim: Claim, queues: Iterable[str]) -> None:
        self._table = table
        self._claim = claim
        self._queues = queues

    def hints(self) -> Iterator[tuple[Place, str]]:
        """The lanes that may be open."""
        return self._table.lanes.hints(self._queues)

    def rows(self, lane: str) -> Iterator[Row]:
        """The rows of a lane that the claim could take, best first."""
        return _claimable(self._table.in_lane(lane, self._claim.worker), self._claim)

    def leases(self, permit: str) -> list[int]:
        """When the live leases under a permit end."""
        return self._table.leases(permit, self._claim.now)

    def paced(self, pace: str) -> int:
        """The time of a pace."""
        return self._table.lanes.paces.get(pace, 0)

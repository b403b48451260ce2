"""Which rows a claim takes where lanes keep some back: for drivers that decide it in Python.

A driver keeps hints: of each lane with ready rows the place of its best, in an index of those that
may be open, and when the others may open. What is taken is decided by what is, never by a hint.
"""

import heapq
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from ..seam import lanes
from ..seam.lanes import Lane
from ..seam.rows import Claim

Place = tuple[int, int]
"""Of a row: its priority, negative, and its seq. The lower one is claimed first."""


class Placed(Protocol):
    """A row, or as much of it as is needed to choose it."""

    @property
    def seq(self) -> int | None: ...  # noqa: D102
    @property
    def priority(self) -> int: ...  # noqa: D102
    @property
    def expires_at(self) -> int | None: ...  # noqa: D102
    @property
    def lane(self) -> str | None: ...  # noqa: D102


P = TypeVar("P", bound=Placed)
P_co = TypeVar("P_co", bound=Placed, covariant=True)


class Lanes(Protocol[P_co]):
    """What a driver tells of its lanes. Nothing is changed while one of these is walked."""

    def hints(self) -> Iterable[tuple[Place, str]]:
        """The lanes that may be open, in the queues of the claim, by the place of their best."""
        ...

    def rows(self, lane: str) -> Iterator[P_co]:
        """The rows of a lane that the claim could take, best first."""
        ...

    def leases(self, permit: str) -> list[int]:
        """When the live leases under a permit end, earliest first."""
        ...

    def paced(self, pace: str) -> int:
        """The time of a pace; 0 = no start was given out."""
        ...


class Choice(NamedTuple, Generic[P]):
    """The rows to take, best first; the new time of each pace; and the lanes looked at, each with
    the time at which it may open again, None = it is open."""

    rows: list[P]
    paces: Mapping[str, int]
    looked_at: Mapping[str, int | None]


def place(row: Placed) -> Place:
    """Where a row stands in the order of claims."""
    return -row.priority, row.seq or 0


def choose(claim: Claim, plain: Iterable[P], known: Lanes[P]) -> Choice[P]:
    """The best rows of those without a lane and those of lanes that let them pass. Rows beyond
    ``claim.limit``, which are taken ahead, have no lane."""
    gates = _Gates(claim, known)
    looked_at: dict[str, int | None] = {}
    taken: list[P] = []
    others, laned = iter(plain), _laned(known, looked_at)
    best, next_laned = next(others, None), next(laned, None) if claim.limit else None
    while len(taken) < claim.limit and (best or next_laned):
        if next_laned is None or (best is not None and place(best) < place(next_laned)):
            taken += [best] if best else []
            best = next(others, None)
            continue
        lane = next_laned.lane or ""
        looked_at[lane] = gates.closed(next_laned)
        if looked_at[lane] is None:
            gates.use(next_laned)
            taken.append(next_laned)
            looked_at[lane] = gates.closed(next_laned)  # if it was the last, no other is read
        next_laned = next(laned, None)
    if best is not None:
        taken += islice(chain((best,), others), claim.ahead)
    return Choice(taken, gates.paces, looked_at)


def _laned(known: Lanes[P], looked_at: dict[str, int | None]) -> Iterator[P]:
    """The rows of lanes that may be open, by place. One found closed when it is looked at gives no
    more."""
    hints = iter(known.hints())
    hint = next(hints, None)
    heads: list[tuple[Place, P, Iterator[P]]] = []
    while hint is not None or heads:
        if hint is not None and (not heads or hint[0] <= heads[0][0]):
            lane = hint[1]
            looked_at[lane] = None
            _push(heads, known.rows(lane))
            hint = next(hints, None)
            continue
        _, row, others = heads[0]
        yield row
        heapq.heappop(heads)
        if looked_at[row.lane or ""] is None:
            _push(heads, others)


def _push(heads: list[tuple[Place, P, Iterator[P]]], rows: Iterator[P]) -> None:
    row = next(rows, None)
    if row is not None:
        heapq.heappush(heads, (place(row), row, rows))


class _Gates:
    """What lanes allow to one claim, with what it has taken already."""

    def __init__(self, claim: Claim, known: Lanes[P]) -> None:
        self._claim = claim
        self._known = known
        self._lanes: dict[str, Lane] = {}
        self._leases: dict[str, list[int]] = {}
        self.paces: dict[str, int] = {}

    def _lane(self, text: str) -> Lane:
        found = self._lanes.get(text)
        if found is None:
            found = self._lanes[text] = lanes.decode(text)
        return found

    def _held(self, permit: str) -> list[int]:
        found = self._leases.get(permit)
        if found is None:
            found = self._leases[permit] = self._known.leases(permit)
        return found

    def _paced(self, pace: str) -> int:
        return self.paces[pace] if pace in self.paces else self._known.paced(pace)

    def closed(self, row: Placed) -> int | None:
        """When the lane of a row may let it pass; None = now."""
        lane, opens_at = self._lane(row.lane or ""), 0
        if lane.permit is not None and lane.permits is not None:
            held = self._held(lane.permit)
            if len(held) >= lane.permits:
                opens_at = held[len(held) - lane.permits]
        if lane.pace is not None:
            opens_at = max(opens_at, lanes.opens_at(lane, self._paced(lane.pace)))
        return opens_at if opens_at > self._claim.now else None

    def use(self, row: Placed) -> None:
        """The row is taken. One that has expired is not to start: it uses up no start."""
        lane = self._lane(row.lane or "")
        if lane.permit is not None:
            insort(self._held(lane.permit), self._claim.lease_until)
        expired = row.expires_at is not None and row.expires_at <= self._claim.now
        if lane.pace is not None and not expired:
            self.paces[lane.pace] = lanes.started(lane, self._paced(lane.pace), self._claim.now)

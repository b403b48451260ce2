"""Whether one job's operations can be put in an order that its specification allows.

The search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the memory that
Lowe added, and his just-in-time linearization: an operation is put in place only when a reply that
comes next demands it ("Testing for linearizability", 2017). So what nobody heard the end of, which
may have taken effect at any later time or never, costs nothing until it is needed to explain a
reply. Versions and fences that replies tell bound how much of it there can have been.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import attrs

from .operation import NEVER, UNKNOWN, Operation
from .specification import step
from .state import State

MOST = 20_000
"""Configurations of one job that are looked at before the search gives up."""

RAISING = ("claim", "rescue", "cancel", "retry", "update", "replace")
"""Operations that always raise the version when they are done."""

REMOVING = ("delete", "purge")
"""Operations after which there may be no job."""


@attrs.frozen
class Contradiction:
    """No order of the operations can be. ``last``: the reply that no order explains, and why it
    does not fit the order that came furthest."""

    last: Operation
    why: str


@attrs.frozen
class Undecided:
    """Too many orders to look at them all."""


Judged = Contradiction | Undecided | None
"""None: there is an order."""


def linearize(
    operations: Sequence[Operation], anywhere: Sequence[Operation] = (), most: int = MOST
) -> Judged:
    """Whether there is an order; ``anywhere``: unknown ones that may have touched this job, by
    time. In the order of their replies most histories fit at once."""
    heard = sorted(
        (op for op in operations if op.answer != UNKNOWN), key=lambda op: (op.ended, op.began)
    )
    if _fits(heard):
        return None
    unheard = [op for op in operations if op.answer == UNKNOWN]
    return _Search(heard, [*unheard, *anywhere]).run(most)


def _fits(heard: Sequence[Operation]) -> bool:
    state = State()
    for operation in heard:
        after = step(state, operation)
        if isinstance(after, str):
            return False
        state = after[0]
    return True


Configuration = tuple[int, int, State]
"""How many replies are explained in their order; which operations are in place, as bits: first the
heard ones, then those unheard; the state they led to."""


class _Search:
    def __init__(self, heard: Sequence[Operation], unheard: Sequence[Operation]) -> None:
        self.heard = heard
        self.unheard = sorted(unheard, key=lambda op: op.began)
        self._begun = [op.began for op in self.unheard]
        self._told = self._told_versions()
        self._named = self._named_workers()
        self._latest = [0, *accumulate((op.began for op in self.heard), max)]
        self._removable = any(op.verb in REMOVING for op in self.unheard)
        self._furthest = -1
        self._stuck: Contradiction | None = None

    def _told_versions(self) -> list[int]:
        """Of each reply, the highest version that the job can have had before it. A record that was
        removed may come again, its version from the beginning: then nothing is known."""
        if any(op.verb in REMOVING for op in (*self.heard, *self.unheard)):
            return [NEVER] * len(self.heard)
        return [
            NEVER if op.told is None else op.told.version - (op.verb in RAISING)
            for op in self.heard
        ]

    def _named_workers(self) -> set[str | None]:
        """Workers that replies depend on, and those whose leases somebody ended. Claims of all
        others are as good as each other's."""
        told = [op.told for op in self.heard if op.told is not None]
        ops = (*self.heard, *self.unheard)
        named = {op.worker for op in ops if op.job or op.verb == "end_claims"}
        return named | {facts.worker for facts in told} | {facts.lost_by for facts in told}

    def run(self, most: int) -> Judged:
        """Depth first; each configuration once."""
        seen: set[tuple[int, State]] = set()
        paths = [iter([(0, 0, State())])]
        while paths:
            configuration = next(paths[-1], None)
            if configuration is None:
                paths.pop()
                continue
            position, placed, state = configuration
            while position < len(self.heard) and placed >> position & 1:
                position += 1
            if position == len(self.heard):
                return None
            if (placed, state) in seen:
                continue
            seen.add((placed, state))
            if len(seen) > most:
                return Undecided()
            paths.append(self._after(position, placed, state))
        return self._stuck

    def _after(self, position: int, placed: int, state: State) -> Iterator[Configuration]:
        """What can be put in place next: first the reply that is due, then what was under way when
        it came."""
        due = self.heard[position]
        after = step(state, due)
        if not isinstance(after, str):
            yield from ((position, placed | 1 << position, new) for new in after)
        elif position > self._furthest:
            self._furthest, self._stuck = position, Contradiction(due, after)
        for index in range(position + 1, len(self.heard)):
            other = self.heard[index]
            if other.began <= due.ended and not placed >> index & 1:
                yield from self._place(position, placed, state, index, other)
        yield from self._unheard_after(position, placed, state)

    def _unheard_after(self, position: int, placed: int, state: State) -> Iterator[Configuration]:
        """Of claims that nobody heard of, and of rescues, the earliest is as good as any that does
        the same: its lease is over first. Of a purge and of the end of a worker's claims nobody
        heard which jobs they changed, but they were over before what began later."""
        if self.heard[position].answer == "absent" and not self._removable:
            return
        tried = set()
        most = min(
            told
            for index, told in enumerate(self._told[position:], position)
            if not placed >> index & 1
        )
        for index in range(bisect_right(self._begun, self.heard[position].ended)):
            op = self.unheard[index]
            alike = index if op.job else self._alike(op)
            bit = len(self.heard) + index
            if placed >> bit & 1 or alike in tried or op.ended < self._latest[position]:
                continue
            tried.add(alike)
            for configuration in self._place(position, placed, state, bit, op):
                changed = configuration[2]
                if changed != state and changed.version <= most:
                    yield configuration

    def _alike(self, op: Operation) -> tuple[object, ...]:
        worker = op.worker if op.worker in self._named else None
        late = op.late if op.verb == "purge" else None  # what it finds old enough depends on it
        return op.verb, worker, op.kind, op.lease, op.ahead, op.given, late

    def _place(
        self, position: int, placed: int, state: State, bit: int, op: Operation
    ) -> Iterator[Configuration]:
        after = step(state, op)
        if not isinstance(after, str):
            yield from ((position, placed | 1 << bit, new) for new in after)

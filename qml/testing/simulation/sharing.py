"""What jobs share, told from the calls alone: what is paused, what has started, who is left."""

import json
from collections.abc import Iterator
from typing import Any

from ...seam.rows import PAUSED, Row, Verdict
from ..laws.calls import FINAL, Call, Group, Shared, arrived, is_dormant
from ..laws.sharing import has_expired, lane_of, parents


class Sharing:
    """Queues that are ``paused``, the ``starts`` of each rate, and the ``groups`` that somebody
    counts for or waits for."""

    def __init__(self) -> None:
        self.paused: set[str] = set()
        self.starts: dict[str, tuple[int, ...]] = {}
        self.groups: dict[str, Group] = {}

    def after(self, call: Call) -> Shared:
        """What is shared once the call was made."""
        paused, started = frozenset(self.paused), dict(self.starts)
        if call.verb == "write":
            name, body, _ = call.order
            self._written(name, body, call.answer)
        if call.verb == "claim":
            self._started(call)
        if call.verb == "tally":
            name, more, *_ = call.order
            self._told(name, more)
        self._count(call)
        over: dict[str | None, int] = {
            name: group.failed for name, group in self.groups.items() if group.is_over
        }
        self.groups = {name: group for name, group in self.groups.items() if name not in over}
        return Shared(paused, started, dict(self.starts), dict(self.groups), over)

    def _written(self, name: str, body: str | None, answer: Any) -> None:
        if name.startswith(PAUSED) and answer is Verdict.DONE:
            queue = name.removeprefix(PAUSED)
            self.paused = self.paused - {queue} if body is None else self.paused | {queue}

    def _started(self, call: Call) -> None:
        for row in call.answer.rows:
            pace = lane_of(row).pace
            if pace is not None and not has_expired(row, call.order):
                self.starts[pace] = (*self.starts.get(pace, ()), call.order.now)

    def _told(self, name: str, more: bool | None) -> None:
        if more:
            self.groups.setdefault(name, Group())
        if name in self.groups and more is not None:
            self.groups[name] = self.groups[name]._replace(open=more)

    def _count(self, call: Call) -> None:
        for row in arrived(call):
            if row.awaits is not None and row.state not in (*FINAL, "processing"):
                self._comes_after(row, call)
            for name in _counts(row) if row.state not in FINAL else ():
                self.groups.setdefault(name, Group())
                self._add(name, 1, 0)
        for job_id, was in call.before.items():
            now = call.after.get(job_id)
            ended, ends = was.state in FINAL, now is None or now.state in FINAL
            for name in _counts(was) if ended != ends else ():
                failed = now is None or "succeeded" not in (was.state, now.state)
                self._add(name, -1 if ends else 1, int(failed) if ends else -int(failed))

    def _comes_after(self, row: Row, call: Call) -> None:
        assert row.awaits is not None
        if not row.awaits.startswith("job/"):
            self.groups.setdefault(row.awaits, Group())
            return
        known = [call.before.get(other) for other in parents(row)]
        left = sum(one is not None and one.state not in FINAL for one in known)
        if not known:  # after a batch that was over: one of its jobs stands for it
            left = int(is_dormant(row))
        failed = sum(one is None or one.state in ("failed", "deleted") for one in known)
        new = [other for other in call.after.keys() - call.before.keys() if other in parents(row)]
        # Stored before it in this step, under the id of one that is gone: they count by themselves.
        there = sum((call.after[other].seq or 0) < (row.seq or 0) for other in new)
        failed -= there
        if left or there:
            before = self.groups.get(row.awaits, Group())
            self.groups[row.awaits] = Group(before.left + left, False, before.failed + failed)

    def _add(self, name: str, left: int, failed: int) -> None:
        if name in self.groups:
            before = self.groups[name]
            self.groups[name] = Group(before.left + left, before.open, before.failed + failed)


def _counts(row: Row) -> Iterator[str]:
    yield from json.loads(row.counts or "[]")

"""Tallies, and rows that wait for others.

What changes a tally is noted by the table itself, see schema.sql.
"""

import json
from collections import defaultdict
from collections.abc import Sequence

from psycopg2.errors import UniqueViolation

from ...seam.rows import SUCCEEDED, Inserted, Obstacle, Row, Write
from ...seam.tallies import Parents, Tally, missing, names, woken
from . import arrays, storing
from .connections import Call


def tally(call: Call, name: str, more: bool | None, failed: int | None) -> Tally | None:
    """See Driver.tally."""
    tell = "" if more is None and failed is None else call.sql["tell_tally"]
    told = {"name": name, "more": more, "failed": failed}
    found = call.run(tell + call.sql["tally"], told)
    return Tally._make(found[0]) if found else None


def insert_after(
    call: Call, rows: Sequence[Row], record: Write | None, parents: Sequence[Parents]
) -> Inserted:
    """Store rows some of which wait for others. Those are locked first: who ends one at this moment
    was seen, or counts it."""
    while True:
        try:
            with call.transaction():
                waiting = _Waiting(call, rows, parents)
                inserted = Inserted([], waiting.gone)
                if not waiting.gone:
                    inserted = storing.insert_once(call, waiting.rows, record)
                if not inserted.obstacles:
                    waiting.attach(call)
        except UniqueViolation:
            continue  # another was faster, and is seen now
        return storing.known(call, rows, record, inserted)


class _Waiting:
    """Rows as they are to be stored, and what their parents are to count for; and which tallies are
    ``gone`` that were to be there."""

    def __init__(self, call: Call, rows: Sequence[Row], parents: Sequence[Parents]) -> None:
        self.rows = list(rows)
        self._names: defaultdict[str, list[str]] = defaultdict(list)  # of each parent
        self._made: list[tuple[str, int, int]] = []
        known = self._known(call, parents)
        self.gone = self._gone(call, parents)
        for index, ids in parents:
            before = {row.id: (row.state, row.finished_at) for row in rows[:index]}
            if ids is not None:
                self._wait(index, ids, known | before)

    def _known(self, call: Call, parents: Sequence[Parents]) -> dict[str, tuple[str, int | None]]:
        ids = {parent for one in parents for parent in one.ids or ()}
        found = call.run(call.sql["lock_parents"], {"parents": arrays.literal(ids)})
        return {parent: (state, finished_at) for parent, state, finished_at in found}

    def _gone(self, call: Call, parents: Sequence[Parents]) -> list[Obstacle]:
        wanted = {self.rows[one.index].awaits for one in parents if one.ids is None}
        if not wanted:
            return []
        counted = {name for row in self.rows for name in names(row.counts)}
        tallies = arrays.literal(counted | wanted)
        there = {name for (name,) in call.run(call.sql["lock_tallies"], {"tallies": tallies})}
        return missing(self.rows, parents, there.__contains__)

    def _wait(
        self, index: int, ids: Sequence[str], known: dict[str, tuple[str, int | None]]
    ) -> None:
        left = [parent for parent in ids if parent in known and known[parent][1] is None]
        succeeded = [
            parent
            for parent in ids
            if parent in known and parent not in left and known[parent][0] == SUCCEEDED
        ]
        failed = len(ids) - len(left) - len(succeeded)
        row = self.rows[index]
        if not left:
            self.rows[index] = woken(row, failed)
            return
        assert row.awaits is not None
        self._made.append((row.awaits, len(left), failed))
        for parent in left:
            self._names[parent].append(row.awaits)

    def attach(self, call: Call) -> None:
        """Have the parents count."""
        if not self._made:
            return
        made = arrays.columns(("tallies", "remaining", "failed"), self._made)
        names = arrays.literal(map(json.dumps, self._names.values()))
        call.run(call.sql["attach"], {**made, "id": arrays.literal(self._names), "names": names})

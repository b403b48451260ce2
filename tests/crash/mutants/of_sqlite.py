"""Mutants of the SQLite driver."""

import random
import re
from collections.abc import Callable
from typing import Any

from qml.drivers.sqlite import claiming, connections, library, storing
from qml.drivers.sqlite.statements import SQL
from qml.seam import rows


def _edit(statement: str, pattern: str, new: str) -> None:
    """Change a statement; that it has no such text any more is an error, for a mutant to follow."""
    text, found = re.subn(pattern, new, SQL[statement])
    assert found, f"statement {statement!r} has no {pattern!r}"
    SQL[statement] = text


def a_claim_looks_outside_its_transaction() -> None:
    """Two workers see the same job, and both take it."""
    best = claiming._best

    def outside(connection: Any, claim: rows.Claim) -> list[rows.Row]:
        connection.execute("COMMIT")
        found = best(connection, claim)
        connection.execute("BEGIN IMMEDIATE")
        return found

    claiming._best = outside


def an_end_is_not_fenced() -> None:
    """Whoever comes back late overwrites what became of the job meanwhile."""
    guard = r"AND version = (:version|\?\d*)"
    fenced = [name for name, text in SQL.items() if re.search(guard, text)]
    assert fenced
    for name in fenced:
        _edit(name, guard, r"AND (version = \1 OR TRUE)")


def rescue_ignores_the_lease() -> None:
    """Jobs are taken from workers that are alive."""
    _edit("lapsed", r"AND j\.lease_until <= :now", "")
    _edit("move", r"AND \(:lapsed_by IS NULL OR [^)]*\)", "")


def a_claim_raises_no_fence() -> None:
    """Two claims of a job cannot be told apart."""
    claimed = rows.as_claimed
    _edit("take", r"fence = fence \+ 1,", "")
    rows.as_claimed = lambda row, *order: claimed(row, *order)._replace(fence=row.fence)


def a_stale_hand_renews() -> None:
    """A claim that is over keeps its job from others."""
    _edit("renew", r"WHERE[^;]*", "WHERE id = :id")


def commits_are_lost() -> None:
    """One write in a hundred is acknowledged and never done."""
    write_once = connections.Connections._write_once

    def lossy(self: Any, work: Callable[[Any], Any], *more: Any) -> Any:
        def and_forget(connection: Any) -> Any:
            result = work(connection)
            if random.random() < 0.01:
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
            return result

        return write_once(self, and_forget, *more)

    connections.Connections._write_once = lossy


def batches_are_stored_one_by_one() -> None:
    """A kill leaves half of what was enqueued together."""
    insert = storing.insert

    def singly(connection: Any, batch: list[rows.Row]) -> list[rows.Obstacle]:
        obstacles = []
        for row in batch:
            obstacles += insert(connection, [row])
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
        return obstacles

    storing.insert = singly


def a_claimed_job_stays_ready() -> None:
    """It is claimed again as soon as its lease lapses, by no rescue, and uncharged."""
    _edit("take", r"due_at = NULL, ready = 0", "due_at = 0, ready = 1")


def a_lock_reaches_the_caller() -> None:
    """Another process's write is an error instead of a short wait."""
    library.is_busy = lambda error: False


MUTANTS = (
    a_claim_looks_outside_its_transaction,
    an_end_is_not_fenced,
    rescue_ignores_the_lease,
    a_claim_raises_no_fence,
    a_stale_hand_renews,
    commits_are_lost,
    batches_are_stored_one_by_one,
    a_claimed_job_stays_ready,
    a_lock_reaches_the_caller,
)

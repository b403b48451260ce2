"""Mutants of any driver, made by its verbs: one step becomes two, or comes later."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from qml.seam.rows import (
    Claim,
    Claimed,
    Finished,
    Inserted,
    Move,
    Rewrite,
    Row,
    Verdict,
    Write,
)

from ..instruments import DRIVERS

PLACEHOLDER = "[[],{}]"


def _around(verb: str, wrapper: Callable[..., Any]) -> None:
    """Have each driver's verb done by ``wrapper(plain, driver, ...)``."""
    for kind, name in DRIVERS.items():
        driver = getattr(importlib.import_module(f"qml.drivers.{kind}"), name)
        plain = getattr(driver, verb)
        setattr(
            driver,
            verb,
            lambda self, *given, plain=plain: wrapper(
                lambda *order: plain(self, *order), self, *given
            ),
        )


def _later(driver: Any, stored: Inserted, rows: Sequence[Row], *, payload: bool) -> None:
    """Write rows that are stored as they should have been."""
    for seq, row in zip(stored.seqs, rows, strict=False):
        driver.swap([Rewrite(seq, row.version, row, True, not payload)])


# -- one transaction becomes several -----------------------------------------------------------


def batches_are_stored_one_by_one() -> None:
    """A kill leaves half of what was enqueued together."""

    def insert(
        plain: Any, driver: Any, rows: Sequence[Row], record: Write | None = None
    ) -> Inserted:
        keys = [row.unique_key for row in rows if row.unique_key]
        if record is not None:
            return plain(rows, record)
        if any(driver.load([row.id for row in rows])) or any(map(driver.holder, keys)):
            return plain(rows)
        return Inserted([seq for row in rows for seq in plain([row]).seqs], [])

    _around("insert", insert)


def outcomes_are_recorded_one_by_one() -> None:
    """A kill leaves half of a batch of outcomes, or of rescues."""
    _around("swap", lambda plain, driver, changes: [v for one in changes for v in plain([one])])


def claims_are_made_one_by_one() -> None:
    """A kill leaves claims that were part of a larger one."""

    def claim(plain: Any, driver: Any, order: Claim) -> Claimed:
        rows: list[Row] = []
        while True:
            one = plain(order._replace(limit=1, ahead=0))
            rows += one.rows
            if not one.rows or len(rows) == order.limit + order.ahead:
                return Claimed(rows, one.next_due)

    _around("claim", claim)


def leases_are_renewed_one_by_one() -> None:
    """A kill leaves some of a worker's leases longer than others."""
    _around("hold", lambda plain, driver, holds: [v for one in holds for v in plain([one])])


def purges_go_one_by_one() -> None:
    """A kill leaves a purge half done."""

    def erase(plain: Any, driver: Any, target: Any, limit: int) -> int:
        if not isinstance(target, Finished):
            return plain(target, limit)
        erased = 0
        while erased < limit and plain(target, 1):
            erased += 1
        return erased

    _around("erase", erase)


def payloads_come_second() -> None:
    """A kill leaves a job without its arguments."""

    def insert(
        plain: Any, driver: Any, rows: Sequence[Row], record: Write | None = None
    ) -> Inserted:
        stored = plain([row._replace(payload=PLACEHOLDER) for row in rows], record)
        _later(driver, stored, rows, payload=True)
        return stored

    _around("insert", insert)


def keys_come_second() -> None:
    """A kill leaves a job that does not hold its unique key."""

    def insert(
        plain: Any, driver: Any, rows: Sequence[Row], record: Write | None = None
    ) -> Inserted:
        keyed = [row for row in rows if row.unique_key and row.key_held]
        if not keyed or any(driver.holder(row.unique_key) for row in keyed):
            return plain(rows, record)
        stored = plain([row._replace(key_held=0) for row in rows])
        _later(driver, stored, rows, payload=False)
        return stored

    _around("insert", insert)


def outcomes_come_before_their_keys() -> None:
    """A kill leaves a finished job that still holds its unique key."""

    def swap(plain: Any, driver: Any, changes: Sequence[Any]) -> list[Verdict]:
        frees = [isinstance(change, Move) and change.key_held == 0 for change in changes]
        verdicts = plain(
            [c._replace(key_held=None) if f else c for c, f in zip(changes, frees, strict=True)]
        )
        for change, verdict, free in zip(changes, verdicts, frees, strict=True):
            if free and verdict is Verdict.DONE:
                [new] = driver.load([change.id])
                plain([Rewrite(new.seq, new.version, new._replace(key_held=0), True, True)])
        return verdicts

    _around("swap", swap)


def slots_come_before_their_record() -> None:
    """A kill leaves a slot that has its job, and comes again."""

    def insert(
        plain: Any, driver: Any, rows: Sequence[Row], record: Write | None = None
    ) -> Inserted:
        known = record and driver.read(record.name)
        if record is None or known is None or known.version != record.expected:
            return plain(rows, record)
        stored = plain(rows)
        if not stored.obstacles:
            driver.write(*record)
        return stored

    _around("insert", insert)


def what_follows_comes_second() -> None:
    """A kill leaves a failed job on which nothing follows."""

    def swap(plain: Any, driver: Any, changes: Sequence[Any]) -> list[Verdict]:
        verdicts = plain([c._replace(then=()) if isinstance(c, Move) else c for c in changes])
        for change, verdict in zip(changes, verdicts, strict=True):
            if verdict is Verdict.DONE and isinstance(change, Move) and change.then:
                driver.insert(change.then)
        return verdicts

    _around("swap", swap)


def notes_come_after_the_lease() -> None:
    """A kill leaves a lease that was renewed, and no word of what the run said."""

    def hold(plain: Any, driver: Any, holds: Sequence[Any]) -> list[Verdict]:
        verdicts = plain([one._replace(notes=None) for one in holds])
        told = [one for one in holds if one.notes is not None]
        if told:
            plain(told)
        return verdicts

    _around("hold", hold)


# -- what is acknowledged is not done yet, or by somebody else's step ---------------------------


def outcomes_are_written_with_the_next_call() -> None:
    """A kill takes back what was acknowledged."""
    waiting: list[Any] = []

    def swap(plain: Any, driver: Any, changes: Sequence[Any]) -> list[Verdict]:
        flush()
        ends = [one for one in changes if isinstance(one, Move) and one.finished_at is not None]
        rows = driver.load([end.id for end in ends])
        if [row and row.version for row in rows] != [change.version for change in changes]:
            return plain(changes)  # others, or stale ones
        waiting.append((plain, changes))
        return [Verdict.DONE] * len(changes)

    def flush() -> None:
        while waiting:
            plain, changes = waiting.pop()
            plain(changes)

    def first(plain: Any, driver: Any, *given: Any) -> Any:
        flush()
        return plain(*given)

    _around("swap", swap)
    for verb in ("insert", "load", "holder", "claim", "hold", "let_go", "scan", "count", "erase"):
        _around(verb, first)
    _around("close", first)


def hints_make_jobs_ready() -> None:
    """A kill between commit and hint leaves a job that nobody will ever run."""
    silent: list[tuple[Inserted, list[Row]]] = []

    def insert(
        plain: Any, driver: Any, rows: Sequence[Row], record: Write | None = None
    ) -> Inserted:
        stored = plain([row._replace(due_at=None) for row in rows], record)
        silent.append((stored, list(rows)))
        return stored

    def notify(plain: Any, driver: Any) -> None:
        while silent:
            _later(driver, *silent.pop(), payload=False)
        plain()

    _around("insert", insert)
    _around("notify", notify)


MUTANTS = (
    batches_are_stored_one_by_one,
    outcomes_are_recorded_one_by_one,
    claims_are_made_one_by_one,
    leases_are_renewed_one_by_one,
    purges_go_one_by_one,
    payloads_come_second,
    keys_come_second,
    outcomes_come_before_their_keys,
    slots_come_before_their_record,
    what_follows_comes_second,
    notes_come_after_the_lease,
    outcomes_are_written_with_the_next_call,
    hints_make_jobs_ready,
)

"""The store that all parties share: each call is carried out, and judged by the laws."""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from ...seam.driver import Driver
from ...seam.rows import After, Row
from ...values.clock import ManualClock
from .. import laws
from ..laws.calls import Call, Who
from .indexes import differences
from .tally import Tally

T = TypeVar("T")

LOOKS = frozenset({"load", "scan", "count", "holder", "read", "write", "list"})
"""Verbs that change no row."""

MANY = 1_000


class LawBroken(BaseException):
    """A law is broken. Not an Exception, so that no server takes it for one of its own."""


class Store:
    """A driver, what its rows were after the last call, and the claims it ever gave."""

    def __init__(self, driver: Driver, clock: ManualClock, tally: Tally) -> None:
        self.driver = driver
        self.leases: dict[tuple[int | None, str | None, int], int] = {}
        self._clock = clock
        self._tally = tally
        self._given: set[tuple[int | None, int]] = set()
        self._last_seq = 0
        self._stopped: BaseException | None = None
        self._checked: dict[str, Row] | None = None
        self.rows = self._look()

    def call(self, who: Who, verb: str, order: Any, call: Callable[[], T]) -> T:
        """Carry a call out, and judge it."""
        self.go_on()
        self._tally.calls[verb] += 1
        if verb in LOOKS:
            return call()
        before = self.rows
        answer = call()
        self.rows = self._look()
        self._judge(Call(verb, order, answer, before, self.rows, self._clock.micros(), who))
        return answer

    def _look(self) -> dict[str, Row]:
        return {row.id: row for row in self.driver.scan(After(0, MANY))}

    def _judge(self, call: Call) -> None:
        what = laws.broken(call)
        if what:
            self.broken(f"{what} ({call.who.name} {call.who.acts})")
        for row in call.after.values():
            if row.lease_until is not None:
                self.leases[row.seq, row.worker, row.fence] = row.lease_until
        if call.verb == "claim":
            self._note_claims(call.answer.rows)
        fresh = [row for row in call.after.values() if row.id not in call.before]
        for row in sorted(fresh, key=lambda row: row.seq or 0):
            if row.seq is None or row.seq <= self._last_seq:
                self.broken(f"A seq is never used again: {row.id} has {row.seq}")
            self._last_seq = row.seq or 0

    def _note_claims(self, rows: list[Row]) -> None:
        self._tally.claims += len(rows)
        for row in rows:
            if (row.seq, row.fence) in self._given:
                self.broken(f"A fence is never used again: {row.id} was given {row.fence} before")
            self._given.add((row.seq, row.fence))

    def check_indexes(self) -> None:
        """Counters and indexes say what the records say."""
        if self._checked != self.rows:
            self._checked = self.rows
            for what in differences(self.driver, self.rows, self._clock.micros()):
                self.broken(f"Counters and indexes say what the records say: {what}")

    def broken(self, what: str) -> NoReturn:
        """A law is broken; nothing goes on from here."""
        self.stop(LawBroken(what))
        self.go_on()
        raise AssertionError("never reached")

    def stop(self, why: BaseException) -> None:
        """Nothing goes on from here."""
        self._stopped = self._stopped or why

    def go_on(self) -> None:
        """Raise again what was found before: a task's frame may have caught it."""
        if self._stopped is not None:
            raise self._stopped

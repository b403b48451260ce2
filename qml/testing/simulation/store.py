"""The store that all parties share: each call is carried out, and judged by the laws."""

import json
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from ...seam.driver import Driver
from ...seam.lanes import LAPSED_FOR_GOOD
from ...seam.rows import After, Record, Row
from ...values.clock import ManualClock
from ...values.times import from_micros
from .. import laws
from ..laws.calls import FINAL, Call, Place, Who, arrived, set_once
from .indexes import differences
from .sharing import Sharing
from .tally import Tally

T = TypeVar("T")

LOOKS = frozenset({"load", "scan", "count", "holder", "read", "list", "used"})
"""Verbs that change nothing."""

SCHEDULES = "schedule/"
"""How the names of the records that are looked at begin."""

REMOVED = '{"removed_at":'
"""How the body of one that was removed begins."""

MANY = 1_000


class LawBroken(BaseException):
    """A law is broken. Not an Exception, so that no server takes it for one of its own."""


class Store:
    """A driver, what its rows and schedules were after the last call, the claims that it ever gave
    and the slots that were ever given a job."""

    def __init__(self, driver: Driver, clock: ManualClock, tally: Tally) -> None:
        self.driver = driver
        self.leases: dict[tuple[int | None, str | None, int], int] = {}
        self._clock = clock
        self._tally = tally
        self._given: set[tuple[int | None, int]] = set()
        self._slots: set[tuple[str, int]] = set()
        self._ended: dict[str, int] = {}
        self._last_seq = 0
        self._names: dict[str, str] = {}
        self._stopped: BaseException | None = None
        self._checked: dict[str, Row] | None = None
        self.rows = self._look()
        self.sharing = Sharing()
        self.schedules: dict[str, Record] = {}

    def call(self, who: Who, verb: str, order: Any, call: Callable[[], T]) -> T:
        """Carry a call out, and judge it."""
        self.go_on()
        self._tally.calls[verb] += 1
        if verb in LOOKS or (verb == "tally" and order[1] is None):
            return call()
        before, known = self.rows, self.schedules
        answer = call()
        now, place = self._clock.micros(), None
        if verb == "write" or (verb == "insert" and order[1] is not None):
            records = self.driver.list(SCHEDULES)
            self.schedules = {one.name: one for one in records if not one.body.startswith(REMOVED)}
            place = self._place(known)
        if verb != "write":
            self.rows = self._look()
        made = Call(verb, order, answer, before, self.rows, now, who, place)
        self._judge(made._replace(shared=self.sharing.after(made)))
        return answer

    def _place(self, known: dict[str, Record]) -> Place | None:
        """The schedule that is another than it was."""
        for name in known.keys() | self.schedules.keys():
            old, new = known.get(name), self.schedules.get(name)
            if old != new:
                was, now = (None if one is None else json.loads(one.body) for one in (old, new))
                ended = self._ended.get((was or {}).get("last_job") or "")
                return Place(name.removeprefix(SCHEDULES), was, now, ended)
        return None

    def _look(self) -> dict[str, Row]:
        return {row.id: row for row in self.driver.scan(After(0, MANY))}

    def _judge(self, call: Call) -> None:
        what = laws.broken(call)
        if what:
            self.broken(f"{what} ({call.who.name} {call.who.acts})")
        for row in call.after.values():
            self._note_lease(row)
        if call.verb == "claim":
            self._note_claims(call.answer.rows)
        for row in arrived(call):
            if row.seq is None or row.seq <= self._last_seq:
                self.broken(f"A seq is never used again: {row.id} has {row.seq}")
            self._last_seq = row.seq or 0
            self._name(row)
            if call.who.acts == "issues":
                self._note_slot(row)
        for was in call.before.values():
            new = call.after.get(was.id)
            if was.state not in FINAL and (new is None or new.state in FINAL):
                self._ended[was.id] = call.now

    def _note_lease(self, row: Row) -> None:
        """Until when a claim lasted; it is no less for being put back once it had lapsed."""
        claim, until = (row.seq, row.worker, row.fence), row.lease_until
        if until is not None and until + LAPSED_FOR_GOOD != self.leases.get(claim):
            self.leases[claim] = until

    def _name(self, row: Row) -> None:
        """A recurring job is named by its slot, one that follows by the one before."""
        found = set_once(row)
        if "slot" in found:
            time = f"{from_micros(found['slot']):%H:%M:%S.%f}".removesuffix(".000000")
            self._names[row.id] = f"{found['schedule']}@{time}"
        elif len(arguments := json.loads(row.payload)[0]) == 2:
            self._names[row.id] = f"after-{self.readable(arguments[0])}"

    def readable(self, text: str) -> str:
        """A text with names in the place of ids that nobody can tell apart."""
        for job_id, name in self._names.items():
            text = text.replace(job_id, name)
        return text

    def _note_slot(self, row: Row) -> None:
        self._tally.slots += 1
        found = set_once(row)
        slot = (found["schedule"], found["slot"])
        if slot in self._slots:
            self.broken(f"A slot is issued once: {slot[0]} has issued {slot[1]} before")
        self._slots.add(slot)

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
            for what in differences(self.driver, self.rows, self.sharing, self._clock.micros()):
                self.broken(f"Counters and indexes say what the records say: {what}")

    def broken(self, what: str) -> NoReturn:
        """A law is broken; nothing goes on from here."""
        self.stop(LawBroken(self.readable(what)))
        self.go_on()
        raise AssertionError("never reached")

    def stop(self, why: BaseException) -> None:
        """Nothing goes on from here."""
        self._stopped = self._stopped or why

    def go_on(self) -> None:
        """Raise again what was found before: a task's frame may have caught it."""
        if self._stopped is not None:
            raise self._stopped

"""Everything in a simulation: the store, the clock, who takes part, and how a step is taken."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from ...values.clock import ManualClock
from ...values.errors import StorageUnavailable
from ...values.retention import Retention
from ...values.times import from_micros, span_micros
from ..laws import slots
from ..laws.calls import Who
from ..laws.sharing import lane_of, opens_at
from ..making import MakeStorage, whole, with_driver
from .choices import PLANS, Plan
from .mishaps import KINDS, Mishaps
from .parties import Died, Frame, Party, SimulatedServer
from .recurring import CODES, of_code
from .steps import Step
from .store import Store
from .story import Story
from .tally import Tally
from .tasks import Tasks

T = TypeVar("T")

RETENTION = Retention(succeeded=200, deleted=200, failed=400)
"""So short that what is purged is seen, and a wait for it brings no thousand slots."""


class Chance(Protocol):
    """What decides: Hypothesis, or a ``random.Random``."""

    def choice(self, options: Sequence[T], /) -> T:
        """One of these."""
        ...


class World:
    """``servers`` servers and clients on one store, under one clock. ``chance`` decides all that
    is left open; ``calm`` = nothing bad happens, and tasks succeed."""

    def __init__(
        self, make_storage: MakeStorage, servers: int, tally: Tally, chance: Chance
    ) -> None:
        self.clock = ManualClock()
        self.calm = False
        self.depth = 0
        self.tally = tally
        whole("servers", servers, 1)
        self.storage = with_driver(make_storage, self.clock)
        self.storage.retention = RETENTION
        self.store = Store(self.storage.driver, self.clock, tally)
        self.story = Story(self.store.readable)
        self.tasks = Tasks(self)
        self.client = Party(self, "a client")
        self._chance = chance
        kinds = [kind for kind in KINDS if self.pick((False, True))]
        self.mishaps = Mishaps(self, kinds, self.pick((30, 10)))
        self.deleted: str | None = None
        self.declared = of_code(self.pick(CODES))
        self._born = self._made = 0
        self.gone: list[str] = []
        self.servers = [self._server(number) for number in range(servers)]

    def _server(self, number: int) -> SimulatedServer:
        """The first one takes from every queue, so that nothing is left in the end."""
        self._born += 1
        queues = self.pick((None, None, ["mail"])) if number else None
        return SimulatedServer(self, f"server-{self._born}", queues)

    def pick(self, options: Sequence[T]) -> T:
        """One of these; the first is the simplest. In calm times it is that."""
        if self.calm:
            return options[0]
        self.store.go_on()
        try:
            return self._chance.choice(options)
        except BaseException as stop:  # Hypothesis has seen enough; no task may swallow that
            self.store.stop(stop)
            raise

    def take_any(self) -> None:
        """Somebody takes a step, or a few."""
        self.follow(self.pick(PLANS))

    def follow(self, plan: Plan) -> None:
        """Take these steps, one after the other."""
        for choose in plan:
            self.take(choose(self))

    def take(self, step: Step) -> None:
        """Have a step taken, with its mishaps, unless the thread that does it is busy."""
        party = step.party(self)
        busy = step.role is not None and any(frame.role == step.role for frame in party.frames)
        heading = None if busy else step.heading(self, party)
        if heading is None:
            return
        self.tally.steps[step.acts] += 1
        self.story.begin(heading)
        who = Who(party.name, step.acts, since=self.clock.micros())
        party.frames.append(Frame(step.role, who))
        self.depth += 1
        told: str | None = ""
        try:
            told = self._outcome(step, party)
        finally:
            self.depth -= 1
            party.frames.pop()
            self.story.end(told)

    def _outcome(self, step: Step, party: Party) -> str | None:
        try:
            return step.take(self, party)
        except StorageUnavailable:
            return "fails"
        except Died:
            if party.alive and isinstance(party, SimulatedServer):
                self.replace(party)
            return ""

    def replace(self, gone: SimulatedServer) -> None:
        """A server is gone; a new one comes."""
        gone.alive = False
        self.gone.append(gone.name)
        number = self.servers.index(gone)
        self.servers[number] = self._server(number)

    def sleep(self, party: Party, seconds: float) -> None:
        """The machine of a party sleeps, and what it tells the time by may stand still."""
        clock_too = self.pick((False, True))
        self.tally.mishaps["slept, its clock too" if clock_too else "slept"] += 1
        also = ", its clock too" if clock_too else ""
        self.story.tell(f"the machine of {party.name} sleeps for {seconds:g} s{also}")
        self.clock.advance(seconds)
        party.sleep(seconds, clock_too)

    def moment(self) -> datetime:
        """Now, and a microsecond later than the last such moment: no two jobs are made at once."""
        self._made = max(self._made + 1, self.clock.micros())
        return from_micros(self._made)

    def pass_micros(self, micros: int) -> None:
        """Let time pass."""
        self.clock.advance(micros / 1e6)

    def moments(self) -> list[int]:
        """What lies ahead: due times, ends of leases, of retention and of patience, slots, and when
        rates allow the next start, in microseconds."""
        ahead: set[int | None] = {at for _, at in self._slots()}
        ahead |= {
            opens_at(lane, self.store.sharing.starts.get(lane.pace or "", ()))
            for lane in map(lane_of, self.store.rows.values())
        }
        for row in self.store.rows.values():
            ahead |= {row.due_at, row.lease_until, row.purge_at, row.expires_at}
            if row.finished_at is not None:
                kept: Any = getattr(self.storage.retention, row.state)
                ahead.add(row.finished_at + span_micros(kept))
        return sorted(at for at in ahead if at is not None and at > self.clock.micros())

    def overdue(self) -> list[str]:
        """The schedules that have a slot to issue now."""
        return [name for name, at in self._slots() if at <= self.clock.micros()]

    def _slots(self) -> list[tuple[str, int]]:
        """When each schedule's next job is due, by name; not of those that are paused."""
        records = [json.loads(record.body) for record in self.store.schedules.values()]
        return [
            (record["name"], slots.micros(record["next_slot"]) + slots.offset(record))
            for record in records
            if not record["paused"]
        ]

"""Recurring jobs in a simulation: those of the servers' code, and what clients ask about others."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from ...values.clock import ManualClock
from ...values.cron import Cron
from ...values.job import Job
from ...values.retention import Retention
from ...values.schedule import Every, Schedule
from .chores import Chore
from .clients import ClientStep
from .parties import Party, SimulatedServer
from .store import SCHEDULES

if TYPE_CHECKING:
    from .world import World

BEGAN = ManualClock().now()

ADDED = "added"
"""The name of the schedule that clients add."""


def _job(name: str, **settings: Any) -> Job:
    """What each slot's job is like. The same whichever server says it."""
    return Job("task", [name], id=name, created_at=BEGAN, **settings)


OF_CODE = {
    "often": Schedule(
        name="often",
        rule=Every(45),
        job=_job("often", expires_at=BEGAN + timedelta(seconds=50)),
        catch_up="all",
        declared=True,
    ),
    "minutely": Schedule(
        name="minutely",
        rule=Cron("* * * * *"),
        job=_job("minutely", retention=Retention(succeeded=70, deleted=70, failed=70)),
        declared=True,
    ),
    "alone": Schedule(
        name="alone", rule=Every(20), job=_job("alone"), overlap=False, spread=10.0, declared=True
    ),
}
"""Each another policy, by name."""

CODES: tuple[tuple[str, ...], ...] = ((), (), ("often",), ("minutely",), ("alone",), (*OF_CODE,))
"""What the code of all servers may declare in one life."""

ADDITIONS: tuple[tuple[Cron | Every, dict[str, Any]], ...] = (
    (Every(30), {}),
    (Every(30), {"catch_up": "none"}),
    (Cron("*/2 * * * *"), {"catch_up": "all"}),
    (Every(25), {"catch_up": "all", "overlap": False}),
)
"""What a client may add, or put in the place of what it added before."""


def of_code(names: tuple[str, ...]) -> dict[str, Callable[[], Schedule]]:
    """These schedules, as a server takes them."""
    return {name: lambda name=name: OF_CODE[name] for name in names}  # type: ignore[misc]


@attrs.frozen(kw_only=True)
class Issues(Chore):
    """Enqueue what recurring jobs are due."""

    role: ClassVar[str | None] = "timetable"
    acts: ClassVar[str] = "issues"

    def heading(self, world: "World", party: Party) -> str | None:
        """Where there are any."""
        there = world.declared or world.store.schedules
        return f"{party.name} issues" if there else None

    def take(self, world: "World", party: Party) -> str | None:
        """With the jobs that are new."""
        before, known = set(world.store.rows), world.store.schedules
        super().take(world, party)
        fresh = [row.id for row in world.store.rows.values() if row.id not in before]
        if fresh:
            return ", ".join(fresh)
        return None if known == world.store.schedules else "nothing"

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The timetable's step."""
        server.server.timetable.issue()


@attrs.frozen(kw_only=True)
class Adds(ClientStep):
    """Add a schedule, or put another in its place."""

    which: int = 0

    acts: ClassVar[str] = "adds"

    def heading(self, world: "World", party: Party) -> str | None:
        """With its rule."""
        rule, options = ADDITIONS[self.which]
        said = "".join(f", {name} {value}" for name, value in options.items())
        return f"a client adds the schedule {ADDED}: {rule}{said}"

    def ask(self, world: "World", party: Party) -> None:
        """The schedules' ``add``."""
        rule, options = ADDITIONS[self.which]
        party.storage.schedules.add(ADDED, rule, _job(ADDED), **options)


@attrs.frozen(kw_only=True)
class AboutSchedule(ClientStep):
    """Something asked about one schedule."""

    schedule: str = ADDED

    def heading(self, world: "World", party: Party) -> str | None:
        """With the schedule's name; nothing is asked about those that are not there."""
        there = SCHEDULES + self.schedule in world.store.schedules
        return f"a client {self.acts} the schedule {self.schedule}" if there else None


@attrs.frozen(kw_only=True)
class Pauses(AboutSchedule):
    """Issue nothing for a while."""

    acts: ClassVar[str] = "pauses"

    def ask(self, world: "World", party: Party) -> None:
        """The schedules' ``pause``."""
        party.storage.schedules.pause(self.schedule)


@attrs.frozen(kw_only=True)
class Resumes(AboutSchedule):
    """Go on after a pause."""

    acts: ClassVar[str] = "resumes"

    def ask(self, world: "World", party: Party) -> None:
        """The schedules' ``resume``."""
        party.storage.schedules.resume(self.schedule)


@attrs.frozen(kw_only=True)
class Removes(AboutSchedule):
    """Forget a schedule; code brings its own back with the next server."""

    acts: ClassVar[str] = "removes"

    def ask(self, world: "World", party: Party) -> None:
        """The schedules' ``remove``."""
        party.storage.schedules.remove(self.schedule)


@attrs.frozen(kw_only=True)
class Triggers(AboutSchedule):
    """Have a job besides the slots."""

    acts: ClassVar[str] = "triggers"

    def ask(self, world: "World", party: Party) -> None:
        """The schedules' ``trigger``."""
        party.storage.schedules.trigger(self.schedule)

"""The machine's steps of recurring jobs; the bundle keeps every look that an issue may go by."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, rule

from ..values.cron import Cron
from ..values.schedule import Every, Schedule
from .compare import Raised, difference, outcome
from .draws import FIELDS
from .recurring import slot_id
from .steps import Look, Several, Steps

NAMES = st.sampled_from(["nightly", "nightly", "nightly", "weekly"])

HOURLY = Every(3_600.0)
RULES = st.sampled_from(
    [
        HOURLY,
        Every(100_000.0),
        Every(600_000.0, datetime(2026, 1, 1, 0, 0, 0, 250, tzinfo=UTC)),
        Cron("0 12 * * mon,thu", "Europe/Berlin"),
        Cron("30 2 29 2 *"),
    ]
)

OPTIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "catch_up": st.sampled_from(["one", "all", "none"]),
        "overlap": st.sampled_from([False, True]),
        "spread": st.sampled_from([0.0, 30.0]),
        "declared": st.booleans(),
    },
)

looks: Bundle[Look] = Bundle("looks")
"""Every look at a schedule ever taken: stale ones are drawn as often as fresh ones."""


class ScheduleSteps(Steps):
    """What people do with schedules, and what servers issue by them."""

    @initialize(target=looks, rule=RULES, fields=FIELDS, options=OPTIONS)
    def begin_with_a_schedule(self, rule: Any, fields: dict[str, Any], options: Any) -> Several:
        """One is there from the beginning."""
        return self.add_schedule("nightly", rule, fields, options)

    @rule(target=looks, name=NAMES, rule=RULES, fields=FIELDS, options=OPTIONS)
    def add_schedule(
        self, name: str, rule: Any, fields: dict[str, Any], options: dict[str, Any]
    ) -> Several:
        """Add a schedule, or give a known one other settings."""
        if rule == HOURLY and options.get("catch_up") == "all":
            options = {**options, "catch_up": "one"}  # months may pass, and each job is compared
        job = self._job("like this", {**fields, "due_in": None})
        self._both("schedules.put", Schedule(name=name, rule=rule, job=job, **options))
        return self._look(name)

    @rule(target=looks, name=NAMES, verb=st.sampled_from(["pause", "resume", "remove"]))
    def change_schedule(self, name: str, verb: str) -> Several:
        """Pause it, go on with it, or forget it."""
        self._both(f"schedules.{verb}", name)
        return self._look(name)

    @rule(name=NAMES)
    def trigger(self, name: str) -> None:
        """A job of it at once. Its id is new, and the storage's to choose."""
        found = outcome(self.storage.schedules.trigger, name)
        job_id = None if isinstance(found, Raised) else found.id
        text = difference(outcome(self.oracle.schedules.trigger, name, job_id), found)
        assert text is None, f"schedules.trigger: {text}"
        self._both("schedules.get", name)

    @rule(target=looks, name=NAMES)
    def look_at_schedule(self, name: str) -> Several:
        """As a server does before it issues, perhaps long after."""
        return self._look(name)

    @rule(look=looks)
    def issue(self, look: Look) -> None:
        """Issue what is due by a look, which may be stale."""
        self._both("schedules.issue", look)

    @rule(target=looks, name=NAMES, late=st.sampled_from([0.0, 60.0, 60.000001, 700_000.0]))
    def issue_late(self, name: str, late: float) -> Several:
        """Issue a schedule at the moment of its next job, or when it is missed or hardly so."""
        schedule = self.oracle.schedules.get(name)
        if schedule is not None and schedule.next_at is not None:
            self._wait_until(schedule.next_at, late)
        seen = self._look(name)
        for look in seen.values:
            self._both("schedules.issue", look)
        return seen

    @rule(name=NAMES, fields=FIELDS)
    def enqueue_in_the_way(self, name: str, fields: dict[str, Any]) -> None:
        """A job that has the id of the next slot's."""
        schedule = self.oracle.schedules.get(name)
        if schedule is not None and schedule.next_slot is not None:
            self._both("enqueue", self._job(slot_id(schedule, schedule.next_slot), fields))

    def _wait_until(self, moment: datetime, late: float) -> None:
        ahead = (moment - self.clock.now()) / timedelta(seconds=1) + late
        if 0 < ahead < 366 * 86_400:  # not to 29 February, four years from now
            self.clock.advance(ahead)
            self._compare()

    def _look(self, name: str) -> Several:
        known, seen = self._both("schedules.known", name)
        return multiple() if known is None else multiple(Look(known, seen))

    def _both(self, verb: str, *arguments: Any, **keywords: Any) -> tuple[Any, Any]:
        answers = super()._both(verb, *arguments, **keywords)
        if verb.startswith("schedules."):
            self._ask("schedules.list")
        return answers

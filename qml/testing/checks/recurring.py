"""Checks of schedules: one job a slot, whoever issues it; their place, and what was missed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import attrs

from ...values.cron import Cron
from ...values.errors import ConfigurationError
from ...values.job import Job
from ...values.schedule import Every, Schedule
from ...values.states import StateKind, Succeeded
from .scene import A_MICROSECOND, Scene

HOUR = 3_600


def _add(s: Scene, name: str = "s", rule: Any = None, job: Any = None, **options: Any) -> Any:
    job = job or Job("task", created_at=s.clock.now())
    return s.storage.schedules.add(name, rule or Every(HOUR), job, **options)


def _issue(s: Scene, name: str = "s") -> list[Job]:
    jobs: list[Job] = s.storage.schedules.issue(s.storage.schedules.known(name))
    return jobs


def _schedule(s: Scene, name: str = "s") -> Schedule:
    found = s.storage.schedules.get(name)
    assert isinstance(found, Schedule), f"schedule {name} is not there"
    return found


def a_slot_has_one_job(s: Scene) -> None:
    """6: one tick, one job, unique in the store by (schedule, slot); the job knows its slot."""
    like = Job("task", [1], queue="q", priority=2, metadata={"m": 1}, created_at=s.clock.now())
    _add(s, job=like)
    s.clock.advance(HOUR - A_MICROSECOND)
    s.same(_issue(s), [], "a microsecond before")
    s.clock.advance(A_MICROSECOND)
    [job] = _issue(s)
    s.same((job.schedule, job.slot), ("s", s.clock.now()), "schedule and slot")
    s.same((job.arguments, job.queue, job.priority), ([1], "q", 2), "what it is made like")
    s.same((job.state.kind, job.created_at), (StateKind.ENQUEUED, s.clock.now()), "its state")
    s.same(s.storage.list(), [job], "the stored jobs")
    s.same(_issue(s), [], "at the same moment again")
    found = _schedule(s)
    told = (found.last_slot, found.last_job, found.next_slot)
    s.same(told, (s.clock.now(), job.id, s.later(HOUR)), "the place of the schedule")


def two_issuers_enqueue_one_job(s: Scene) -> None:
    """6: whatever servers issue a slot at one instant: it has one job, the others do nothing."""
    _add(s)
    s.clock.advance(HOUR)
    known = s.storage.schedules.known("s")
    threads = 8
    start = Barrier(threads)

    def issue(number: int) -> list[Job]:
        start.wait()
        jobs: list[Job] = s.storage.schedules.issue(known)
        return jobs

    with ThreadPoolExecutor(threads) as pool:
        issued = [job for jobs in pool.map(issue, range(threads)) for job in jobs]
    s.same([job.id for job in issued], [job.id for job in s.storage.list()], "what was issued")
    s.same(len(issued), 1, "how many")


def a_stale_look_issues_nothing(s: Scene) -> None:
    """6: an issue goes by the schedule as it was read, and does nothing if that has changed since:
    issued, paused, removed, or removed and added anew with another rule."""
    schedules = s.storage.schedules

    def again() -> None:
        schedules.remove("s")
        _add(s, rule=Every(2 * HOUR))

    for change in (lambda: _issue(s), lambda: schedules.pause("s"), again):
        schedules.remove("s")
        _add(s)
        known = schedules.known("s")
        s.clock.advance(HOUR)
        change()
        before = schedules.known("s")
        with s.unchanged():
            s.same(schedules.issue(known), [], "what a stale look issues")
        s.same(schedules.known("s"), before, "the schedule then")
    schedules.remove("s")
    with s.unchanged():
        s.same(schedules.issue(known), [], "what the look at a removed one issues")
    s.same(schedules.list(), [], "the schedules then")


def the_slot_and_its_job_move_together(s: Scene) -> None:
    """Law 8: a slot whose job cannot be stored moves on all the same, and says why: its id was
    issued before, or another job holds its unique key."""
    _add(s, job=Job("task", unique_key="k", created_at=s.clock.now()))
    s.clock.advance(HOUR)
    [job] = _issue(s)
    s.clock.advance(HOUR)
    s.same(_issue(s), [], "while the job before holds the key")
    found = _schedule(s)
    assert "unique key" in (found.skipped or ""), found.skipped
    s.same((found.next_slot, found.last_job), (s.later(HOUR), job.id), "the place then")
    s.storage.cancel(job.id)
    s.clock.advance(HOUR)
    s.same(len(_issue(s)), 1, "when the key is free")
    s.same(_schedule(s).skipped, None, "why the last slot has no job")


def a_schedule_added_again_keeps_its_place(s: Scene) -> None:
    """6: registering the same schedule again keeps its place and what it has issued, and takes its
    other settings; a changed rule starts anew."""
    first = _add(s)
    s.same((first.next_slot, first.next_at), (s.later(HOUR), s.later(HOUR)), "the first slot")
    s.clock.advance(HOUR / 2)
    s.same(_add(s), first, "the same again, half an hour later")
    s.same(s.storage.schedules.known("s").version, 1, "how often it was written")
    other = _add(s, job=Job("other"), catch_up="none")
    s.same((other.next_slot, other.catch_up), (first.next_slot, "none"), "with other settings")
    s.clock.advance(HOUR / 2)
    [job] = _issue(s)
    s.same(job.method, "other", "the method of its job")
    s.clock.advance(HOUR / 2)
    changed = _add(s, rule=Every(2 * HOUR))
    s.same(changed.next_slot, s.later(2 * HOUR), "the slot of another rule")
    s.same((changed.last_job, changed.last_slot), (job.id, job.slot), "what it has issued")


def missed_slots_go_by_the_policy(s: Scene) -> None:
    """6: of slots that were missed, "one" issues the latest, "all" each, "none" none of them."""
    for policy in ("one", "all", "none"):
        _add(s, policy, Every(300), catch_up=policy)
    start = s.clock.now()
    s.clock.advance(4 * HOUR)
    slots = {policy: [job.slot for job in _issue(s, policy)] for policy in ("one", "all", "none")}
    s.same(slots["all"], [start + timedelta(seconds=300 * n) for n in range(1, 49)], "of all")
    s.same(slots["one"], [s.clock.now()], "of one")
    s.same(slots["none"], [], "of none")
    assert "missed" in (_schedule(s, "none").skipped or ""), "why it has none"
    for policy in ("one", "all", "none"):
        s.same(_schedule(s, policy).next_slot, s.later(300), f"the next slot of {policy}")
    s.clock.advance(301)
    for policy in ("one", "all", "none"):
        s.same(len(_issue(s, policy)), 1, f"what {policy} issues a second late")


def without_overlap_a_slot_waits_for_nobody(s: Scene) -> None:
    """6: overlap=False: a slot whose predecessor still runs is skipped, and said so."""
    _add(s, overlap=False)
    s.clock.advance(HOUR)
    [job] = _issue(s)
    claimed = s.claim(lease=1e6)
    s.clock.advance(HOUR)
    s.same(_issue(s), [], "while it runs")
    assert "not ended" in (_schedule(s).skipped or ""), _schedule(s).skipped
    s.same(_schedule(s).last_job, job.id, "the last job")
    s.same(_schedule(s).next_slot, s.later(HOUR), "the next slot")
    s.storage.finish(claimed, Succeeded())
    s.clock.advance(HOUR)
    s.same(len(_issue(s)), 1, "when it has ended")


def a_pause_issues_nothing(s: Scene) -> None:
    """6: a paused schedule issues nothing, also when it is added again; what it missed meanwhile
    is not made up for."""
    _add(s, catch_up="all")
    s.same(s.storage.schedules.pause("s").next_at, None, "when its next job is issued")
    s.clock.advance(2.5 * HOUR)
    s.same(_issue(s), [], "while paused")
    s.same(_add(s, catch_up="all").paused, True, "paused when added again")
    resumed = s.storage.schedules.resume("s")
    s.same(resumed.next_at, s.later(HOUR / 2), "its next slot once resumed")
    s.clock.advance(HOUR / 2)
    s.same(len(_issue(s)), 1, "what it issues then")


def a_trigger_is_beside_the_slots(s: Scene) -> None:
    """6: trigger enqueues a job at once and leaves the schedule's place; each is another job."""
    before = _add(s)
    jobs = [s.storage.schedules.trigger("s") for _ in range(2)]
    s.same([job.schedule for job in jobs], ["s", "s"], "whose jobs they are")
    s.same({job.slot for job in jobs} == {s.clock.now()}, True, "their slots are now")
    s.same(len(s.storage.list()), 2, "how many there are")
    s.same(_schedule(s), before, "the schedule")


def schedules_are_listed_and_forgotten(s: Scene) -> None:
    """6: schedules are listed by name; one that is removed issues nothing, and its jobs stay."""
    for name in ("b", "a", "ab"):
        _add(s, name)
    s.same([one.name for one in s.storage.schedules.list()], ["a", "ab", "b"], "the list")
    s.clock.advance(HOUR)
    _issue(s, "a")
    s.same(s.storage.schedules.remove("a"), True, "remove")
    s.same(s.storage.schedules.remove("a"), False, "remove again")
    s.same(s.storage.schedules.get("a"), None, "get")
    s.same(len(s.storage.list()), 1, "its jobs")
    for verb in ("pause", "resume", "trigger"):
        s.refuses(ConfigurationError, getattr(s.storage.schedules, verb), "a")


def a_spread_issues_later(s: Scene) -> None:
    """6: spread puts a schedule's jobs up to so many seconds after their slots, always the same;
    the slot stays what the rule says."""
    names = [str(number) for number in range(20)]
    offsets = {_add(s, name, spread=30).offset for name in names}
    assert len(offsets) > 10, f"they fall on {len(offsets)} moments"
    assert all(timedelta(0) <= offset < timedelta(seconds=30) for offset in offsets), offsets
    found = _schedule(s, "0")
    slot = s.later(HOUR)
    s.same(found.next_at, slot + found.offset, "when its job is issued")
    s.clock.advance(HOUR + found.offset.total_seconds() - A_MICROSECOND)
    s.same(_issue(s, "0"), [], "a microsecond before")
    s.clock.advance(A_MICROSECOND)
    s.same([job.slot for job in _issue(s, "0")], [slot], "the slot of its job")


def a_recurring_job_expires_from_its_slot_on(s: Scene) -> None:
    """6, 1: the expiry of a schedule's job is a span: each has that long from when it is issued."""
    like = s.job(expires_at=s.later(60))
    _add(s, job=like)
    for _ in range(2):
        s.clock.advance(HOUR)
        [job] = _issue(s)
        s.same(job.expires_at, s.later(60), "when it expires")


def every_field_of_a_schedule_comes_back(s: Scene) -> None:
    """6: a schedule comes back as it was given, cron rule, time zone and job included."""
    job = Job("módulo 😀", [1.0, {"b": 1, "a": [True]}], queue="q; --'", unique_key="k")
    given = Schedule(
        name="näme 😀",
        rule=Cron("30 2 * * mon-fri", "Europe/Berlin"),
        job=job,
        catch_up="all",
        overlap=False,
        spread=12.5,
        declared=True,
    )
    stored = s.storage.schedules.put(given)
    s.same(stored, attrs.evolve(given, next_slot=stored.next_slot), "what is returned")
    s.same(stored.next_slot, given.rule.next_after(s.clock.now()), "its first slot")
    s.same(s.storage.schedules.get("näme 😀"), stored, "what is stored")
    s.same(s.storage.schedules.list(), [stored], "the list")

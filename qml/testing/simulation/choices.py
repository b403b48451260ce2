"""Steps, chosen as they come: what stands first is the simplest, towards which findings shrink."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...values.followup import Followup
from ...values.retention import Retention
from ...values.selection import JobFilter
from . import chores, clients, recurring, together, working
from .mishaps import SECONDS
from .steps import Step
from .store import SCHEDULES

if TYPE_CHECKING:
    from .world import World

IDS = "abcdef"

CROWDS = ("abc", "def", "ab")
"""Jobs that are enqueued together."""

FIELDS: dict[str, tuple[Any, ...]] = {
    "priority": (None, None, 1),
    "max_retries": (None, 0, 0, 1),
    "unique_key": (None, None, "k", "l"),
    "unique_while": (None, None, "queued"),
    "due_in": (None, None, None, 5.0, 40.0),
    "timeout_seconds": (None, None, None, 10.0),
    "queue": (None, None, "mail"),
    "expires_in": (None, None, None, 3.0, 31.0),
    "retention": (None, None, None, Retention(succeeded=20, deleted=20, failed=20)),
    "on_failure": (None, None, Followup("task")),
    "on_success": (None, None, *together.NEXT),
    "limits": (None, None, *together.LIMITS),
    "groups": (None, None, *together.GROUPS),
}
"""What may be said of a job; None = nothing."""


ABOUT_JOBS: tuple[type[clients.AboutJob], ...] = (
    clients.Updates,
    clients.Updates,
    clients.Updates,
    clients.Retries,
    clients.Retries,
    clients.Cancels,
    clients.Deletes,
    clients.Locks,
    clients.Unlocks,
)


ABOUT_SCHEDULES: tuple[type[recurring.AboutSchedule], ...] = (
    recurring.Pauses,
    recurring.Resumes,
    recurring.Resumes,
    recurring.Triggers,
    recurring.Removes,
)

FILTERS = (
    JobFilter(),
    JobFilter(queue="mail"),
    JobFilter(older_than=20.0),
    JobFilter(metadata={"b": 1}),
)


def _server(world: "World") -> int:
    return world.pick(range(len(world.servers)))


def enqueue(world: "World") -> Step:
    """Jobs, one or several."""
    count = world.pick((1, 1, 2, 3))
    jobs = tuple((world.pick(IDS), _fields(world)) for _ in range(count))
    return clients.Enqueues(jobs=jobs, again=world.pick((False, True)))


def crowd(world: "World") -> Step:
    """Jobs under one limit, more than it lets start at once."""
    limits = world.pick(together.LIMITS)
    fields = {"limits": limits, "max_retries": world.pick((None, 0))}
    return clients.Enqueues(jobs=tuple((job_id, fields) for job_id in world.pick(CROWDS)))


def _fields(world: "World") -> dict[str, Any]:
    if world.pick((True, False)):
        return {}
    said = {name: world.pick(options) for name, options in FIELDS.items()}
    return {name: value for name, value in said.items() if value is not None}


def ask(world: "World") -> Step:
    """Something about a job that is there."""
    kind = world.pick(ABOUT_JOBS)
    return kind(job=_job(world))


def _job(world: "World") -> str:
    """The id of a job that is there, more often one that a client enqueued."""
    given = [job_id for job_id in world.store.rows if job_id in IDS]
    any_job = not given or world.pick((False, False, True))
    return world.pick([*world.store.rows] or IDS) if any_job else world.pick(given)


def ask_of_many(world: "World") -> Step:
    """Cancel what a filter names."""
    return clients.CancelsMany(where=world.pick(FILTERS))


def delete(world: "World") -> Step:
    """A job that is there, perhaps one that runs."""
    return clients.Deletes(job=_job(world))


def enqueue_same(world: "World") -> Step:
    """The id that was deleted last, for another job."""
    return clients.Enqueues(jobs=((world.deleted or "a", _fields(world)),))


def claim(world: "World") -> Step:
    """One job or several."""
    limit, ahead = world.pick((1, 2, 3)), world.pick((0, 0, 1))
    return working.Claims(server=_server(world), limit=limit, ahead=ahead)


def run(world: "World") -> Step:
    """A claimed job, on a server that has any."""
    numbers = [n for n, party in enumerate(world.servers) if party.waiting]
    server = world.pick(numbers or [0])
    waiting = len(world.servers[server].waiting)
    return working.Runs(server=server, which=world.pick(range(max(1, waiting))))


def record(world: "World") -> Step:
    """All outcomes that wait."""
    return working.Records(server=_server(world))


def keep(world: "World") -> Step:
    """A keeper's chore, on a server that holds something."""
    numbers = [n for n, party in enumerate(world.servers) if len(party.server.runs)]
    kind = world.pick((chores.Renews, chores.Renews, chores.Watches, chores.Limits))
    return kind(server=world.pick(numbers or [0]))


def rescue(world: "World") -> Step:
    """Take orphans."""
    return chores.Rescues(server=_server(world))


def bury(world: "World") -> Step:
    """The claims of a server that is gone."""
    return chores.Buries(server=_server(world), dead=world.pick(world.gone[::-1] or ("",)))


def tidy(world: "World") -> Step:
    """Another chore of the upkeep."""
    kind = world.pick((chores.Syncs, chores.Purges, chores.Expires))
    return kind(server=_server(world))


def issue(world: "World") -> Step:
    """Recurring jobs that are due."""
    return recurring.Issues(server=_server(world))


def change_schedule(world: "World") -> Step:
    """Another schedule, or something about one that is there."""
    if world.pick((False, True)):
        return recurring.Adds(which=world.pick(range(len(recurring.ADDITIONS))))
    there = [name.removeprefix(SCHEDULES) for name in sorted(world.store.schedules)]
    kind = world.pick(ABOUT_SCHEDULES)
    return kind(schedule=world.pick(there or [recurring.ADDED]))


def share(world: "World") -> Step:
    """A queue is paused or goes on, a batch has more to come or no more."""
    kind = world.pick((together.ClosesBatch, together.OpensBatch, together.ResumesQueue))
    return world.pick((kind, kind, together.PausesQueue))()


def purge(world: "World") -> Step:
    """What ended long ago."""
    return chores.Purges(server=_server(world))


def leave(world: "World") -> Step:
    """Hand back, stop, die, sleep."""
    kind = world.pick((working.HandsBack, chores.Stops, chores.FallsAsleep, chores.Dies))
    return kind(server=_server(world))


def wait(world: "World") -> Step:
    """A while, or to the very moment when something falls due or lapses, or just before."""
    moments = world.moments()
    exactly = bool(moments) and world.pick((False, True))
    if exactly:
        micros = world.pick(moments) - world.pick((0, 1)) - world.clock.micros()
    else:
        micros = int(world.pick(SECONDS) * 1e6)
    return clients.Passes(micros=micros)


def lapse(world: "World") -> Step:
    """As long as a lease lasts, and a little more."""
    return clients.Passes(micros=31_000_000)


Plan = tuple[Callable[["World"], Step], ...]

PLANS: tuple[Plan, ...] = (
    (),
    (wait,),
    (claim,),
    (record,),
    (rescue,),
    (run,),
    (keep,),
    (keep,),
    (ask,),
    (ask,),
    (enqueue,),
    (tidy,),
    (leave,),
    (issue,),
    (wait, issue),
    (wait, purge),
    (change_schedule,),
    (ask_of_many,),
    (ask_of_many,),
    (share,),
    (share,),
    (crowd, claim),
    (crowd, claim, claim),
    (claim, run),
    (run, record),
    (claim, run, record),
    (bury, rescue),
    (leave, bury, rescue),
    (lapse, rescue),
    (lapse, rescue, wait, claim, run, record),
    (delete, enqueue_same),
    (delete, enqueue_same, claim),
)
"""What may happen next, as one thing or while another is under way."""

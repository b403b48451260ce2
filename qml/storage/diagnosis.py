"""What the facts about a storage mean: pure functions from facts to findings."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..seam.findings import Finding, Findings, Severity
from ..values.figures import counted, milliseconds, span
from ..values.job import Job
from ..values.states import Failed, StateKind
from .facts import LOOKED_AT, Facts
from .servers import FORGOTTEN_AFTER
from .unissued import schedules

OK, NOTE, WARNING, ERROR = Severity.OK, Severity.NOTE, Severity.WARNING, Severity.ERROR

SLOW, VERY_SLOW = 0.05, 1.0
"""Seconds of a round trip: each claim and each record waits for one."""

APART, FAR_APART = 1.0, 5.0
"""Seconds between the store's clock and this machine's."""

LONG, LONG_ALONE = 300.0, 60.0
"""Seconds that a due job may wait while a server is alive, and while none is."""

UNRESCUED, UNRESCUED_ALONE = 45.0, 10.0
"""Seconds since a lease lapsed, after which its job counts as left behind. Live servers look every
second; a server that was killed a moment ago still counts as alive, so with one it takes longer."""

LATELY = 3_600.0
"""Seconds that count as lately for jobs that failed."""

DRAINS = "every live server drains and takes no more jobs: start another, such as: qml run APP"

NAMED = 3
"""How many servers, queues or methods a fact names."""


def judge(facts: Facts) -> Findings:
    """What the facts mean, topic by topic."""
    return [finding for topic in TOPICS for finding in topic(facts)]


Judgement = Iterator[Finding]


def reachability(facts: Facts) -> Judgement:
    """How long an answer takes."""
    severity = _level(facts.round_trip, SLOW, VERY_SLOW)
    remedy = "every claim and every record waits that long: run servers near the store"
    trip = milliseconds(facts.round_trip * 1_000) if facts.round_trip >= 1e-4 else "under 0.1 ms"
    yield Finding(severity, "reachability", f"it answers in {trip}", remedy if severity else "")


def clock(facts: Facts) -> Judgement:
    """Whether the store's clock tells the time that this machine's does."""
    apart = abs(facts.ahead)
    severity = _level(apart, APART, FAR_APART)
    if not severity:
        yield Finding(OK, "clock", "the store's clock and this machine's agree")
        return
    where = "ahead of" if facts.ahead > 0 else "behind"
    yield Finding(
        severity,
        "clock",
        f"the store's clock is {apart:.1f} s {where} this machine's; the store's decides what is "
        "due and what has lapsed",
        "have both set by NTP, and see which of them is wrong",
    )


def _level(value: float, note: float, warning: float) -> Severity:
    return WARNING if value > warning else NOTE if value > note else OK


def jobs(facts: Facts) -> Judgement:
    """How many there are, in which states."""
    total = sum(facts.counts.values())
    parts = [f"{facts.counts[kind]:,} {kind}" for kind in StateKind if facts.counts.get(kind)]
    fact = counted(total, "job") + (f": {', '.join(parts)}" if parts else "")
    yield Finding(OK, "jobs", fact if total else "none is stored")


def at_work(facts: Facts) -> Judgement:
    """Whether servers are alive, and which gave no sign lately."""
    alive = facts.alive()
    if alive:
        threads = sum(_number(server, "threads") for server in alive)
        fact = f"{counted(len(alive), 'server')} alive, with {counted(threads, 'thread')}"
        taking = facts.taking()
        if len(taking) < len(alive):
            drain = _names(server["name"] for server in alive if server not in taking)
            fact += f"; these drain and take no more jobs: {drain}"
        remedy = "" if taking else "start one that does, such as: qml run APP"
        yield Finding(NOTE if remedy else OK, "servers", fact, remedy)
    else:
        yield Finding(NOTE, "servers", "no server is alive", "start one, such as: qml run APP")
    silent = [server for server in facts.servers if server not in alive]
    if silent:
        least = min(server["silent_seconds"] for server in silent)
        yield Finding(
            WARNING,
            "servers",
            f"no sign for {span(least)} or more from {_names(s['name'] for s in silent)}",
            "see whether it was killed, or hangs; it is struck off "
            f"{span(FORGOTTEN_AFTER / 1e6)} after its last sign",
        )


def waiting(facts: Facts) -> Judgement:
    """How long the oldest due job has waited."""
    due = facts.due()
    if not due:
        yield Finding(OK, "waiting", "no job is due")
        return
    wait, job = due[0]
    alive = facts.taking()
    if wait <= (LONG if alive else LONG_ALONE):
        yield Finding(OK, "waiting", f"the oldest job that is due has waited {span(wait)}")
        return
    fact = f"job {job.id} ({job.method}, queue {job.queue}) is due and has waited {span(wait)}"
    drains = bool(facts.alive()) and not alive
    yield Finding(WARNING, "waiting", fact, DRAINS if drains else _why_it_waits(job, alive))


def _why_it_waits(job: Job, alive: list[dict[str, Any]]) -> str:
    if not alive:
        return "no server is alive: start one, such as: qml run APP"
    takers = [server for server in alive if _takes_from(server, job.queue)]
    if not takers:
        return "no live server takes jobs from its queue: start one that does"
    if all(_number(server, "running") >= _number(server, "threads") for server in takers):
        return "every thread is busy: start another server, or give these more threads"
    return "threads are free and do not take it: see the servers' logs"


def queues(facts: Facts) -> Judgement:
    """Whether a live server takes from every queue on which jobs are due, and which are paused."""
    alive = facts.alive()
    due = {job.queue for _, job in facts.due()}
    takers = facts.taking()
    left = sorted(queue for queue in due if not any(_takes_from(s, queue) for s in takers))
    if alive and left:
        names = ",".join(left[:NAMED])
        yield Finding(
            WARNING,
            "queues",
            f"jobs are due on queues that no live server takes from: {_names(left)}",
            f"start a server for them: qml run APP --queues {names}; or one for every queue",
        )
    if facts.paused:
        fact = f"no job of these queues is started, since they are paused: {_names(facts.paused)}"
        yield Finding(NOTE, "queues", fact, "to go on with one: qml queues resume NAME")


def _takes_from(server: dict[str, Any], queue: str) -> bool:
    queues = server.get("queues")
    return not isinstance(queues, list) or queue in queues


def orphans(facts: Facts) -> Judgement:
    """Whether jobs are left behind by workers that are gone."""
    alive = facts.alive()
    patience = UNRESCUED if alive else UNRESCUED_ALONE
    spans = [facts.now - job.lease_expires_at for job in facts.lapsed if job.lease_expires_at]
    left = [seconds for seconds in (s.total_seconds() for s in spans) if seconds > patience]
    if not left:
        yield Finding(OK, "orphans", "no job is left behind by a worker that is gone")
        return
    fact = f"{_some(left, 'job')} left behind by workers that are gone, since up to "
    if alive:
        cure = "servers are alive and do not rescue them: see their logs for 'rescue of orphans'"
        yield Finding(ERROR, "orphans", fact + span(max(left)), cure)
    else:
        cure = "start a server, such as: qml run APP; any server rescues them within seconds"
        yield Finding(WARNING, "orphans", fact + span(max(left)), cure)


def late(facts: Facts) -> Judgement:
    """Whether threads go on although the time limit of their jobs has passed."""
    found = [run for server in facts.alive() for run in _late_runs(server)]
    if not found:
        yield Finding(OK, "late", "no thread runs beyond its job's time limit")
        return
    number = sum(_number(server, "late_threads") for server in facts.alive())
    threads = "1 thread runs" if number <= 1 else f"{number:,} threads run"
    seconds, job, method, server = max(found)
    yield Finding(
        WARNING,
        "late",
        f"{threads} beyond the time limit, the longest for {span(seconds)}: job {job} ({method}) "
        f"on server {server}",
        "these attempts are recorded as failed and the threads replaced, but only the task can end "
        "them: give what blocks there (socket, statement, subprocess) a limit of its own, call "
        "current_job().check() in loops, or use process=True; a restart of the server ends them",
    )


def _late_runs(server: dict[str, Any]) -> Iterator[tuple[float, str, str, str]]:
    """The late runs that a server told of: for how many seconds by now, job, method, server."""
    told = server.get("late")
    for run in told if isinstance(told, list) else ():
        if isinstance(run, dict) and isinstance(run.get("seconds"), int | float):
            since = run["seconds"] + server["silent_seconds"]
            yield since, str(run.get("job")), str(run.get("method")), str(server["name"])


def failures(facts: Facts) -> Judgement:
    """Which jobs failed for good lately."""
    lately = [
        job
        for job in facts.failed
        if isinstance(job.state, Failed)
        and (facts.now - job.state.failed_at).total_seconds() <= LATELY
    ]
    if not lately:
        yield Finding(OK, "failures", "no job failed for good in the last hour")
        return
    methods = _names(sorted({job.method for job in lately}))
    fact = f"{_some(lately, 'job')} failed for good in the last hour: {methods}"
    yield Finding(NOTE, "failures", fact, "see: qml jobs list --state failed")


def damage(facts: Facts) -> Judgement:
    """Whether stored jobs can be read."""
    strange = {state: n for state, n in facts.counts.items() if state not in set(StateKind)}
    if strange:
        yield Finding(
            ERROR,
            "damage",
            f"{counted(sum(strange.values()), 'job')} in states this qml does not know: "
            f"{_names(sorted(strange))}",
            "upgrade qml if a newer one wrote them; else find out what did",
        )
    looked_at = counted(facts.looked_at, "job")
    if facts.example is None:
        yield Finding(OK, "damage", f"none in the {looked_at} looked at")
        return
    job = facts.example
    yield Finding(
        ERROR,
        "damage",
        f"{facts.damaged:,} of the {looked_at} looked at cannot be read in full, such as job "
        f"{job.id}: {job.damage}",
        f"see what is left of it: qml jobs show {job.id}; then delete it, and enqueue it anew",
    )


def pool(facts: Facts) -> Judgement:
    """Whether servers have more threads than connections to the store."""
    most = facts.connections
    wide = [s for s in facts.alive() if most is not None and _number(s, "threads") > most]
    if wide:
        threads = max(_number(server, "threads") for server in wide)
        yield Finding(
            NOTE,
            "pool",
            f"{_names(server['name'] for server in wide)}: up to {threads} threads share {most} "
            "connections (by this URL)",
            f"if tasks ask the store, too, give the servers' URL ?max_connections={threads}",
        )


def _number(server: dict[str, Any], fact: str) -> int:
    value = server.get(fact)
    return value if isinstance(value, int) else 0


def _names(names: Iterable[object]) -> str:
    """A few names, and how many more there are."""
    known = list(map(str, names))
    more = len(known) - NAMED
    return ", ".join(known[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _some(found: list[Any], one: str) -> str:
    """How many were found, where no more than LOOKED_AT were looked for."""
    number = counted(len(found), one)
    return f"{number} or more" if len(found) >= LOOKED_AT else number


TOPICS: tuple[Callable[[Facts], Judgement], ...] = (
    reachability,
    clock,
    jobs,
    at_work,
    waiting,
    queues,
    orphans,
    late,
    schedules,
    failures,
    damage,
    pool,
)
"""In the order of their telling, within a severity."""

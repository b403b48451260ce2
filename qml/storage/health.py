"""How a storage is: asked, weighed, and told as findings, the worst first.

What holds for every store is here; each driver examines its own kind (``Driver.examine``). Looking
changes nothing, and costs the same for ten jobs and for a million: counts, and a few hundred jobs
at the ends of the queues. ``deep`` reads everything.
"""

import time
from collections.abc import Callable, Collection, Iterable
from statistics import median
from typing import Any

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.findings import Finding, Findings, Severity
from ..seam.rows import Available, Lapsed, Page, Row
from ..values.errors import MigrationError, StorageError, StorageUnavailable
from ..values.job import Job
from ..values.states import WAITING, StateKind
from ..values.times import from_micros
from . import comparing, rules, servers
from .diagnosis import judge
from .facts import LOOKED_AT, Facts
from .limits import Gates
from .schedules import PREFIX, readable
from .storage import Storage

LOOKS = 5
"""Times the clock is asked, for the round trip and the skew."""

FEW = 10_000
"""Jobs for later, up to which the next claim is asked for: of those due, a driver may have to look
at each (Redis: 50 s for a million that nobody has claimed)."""


def examine(storage: Storage, *, deep: bool = False, connections: int | None = None) -> Findings:
    """What an operator should know about a storage, the worst first; never a StorageError, since
    that is a finding, too.

    ``deep`` reads every job, and the store's own structure where the driver can.
    ``connections``: the most that a storage opens (``max_connections``), to be held against the
    threads of its servers.
    """
    driver = storage.driver
    steps: list[Callable[[], Findings]] = [
        lambda: judge(gather(storage, deep=deep, connections=connections)),
        driver.examine,
    ]
    # A driver may be able to read through its store's own structure; SQLite's is.
    verify: Callable[[], Findings] | None = getattr(driver, "verify", None)
    if deep and verify is not None:
        steps.append(verify)
    found: Findings = []
    for step in steps:
        try:
            found += step()
        except StorageError as error:
            found.append(unusable(error))
            if isinstance(error, StorageUnavailable):
                break  # the next step would wait for the same store
    return worst_first(found)


def worst_first(findings: Findings) -> Findings:
    """Sorted by severity; what is alike stays in its order."""
    return sorted(findings, key=lambda finding: -finding.severity)


def unusable(error: StorageError, remedy: str = "") -> Finding:
    """The finding for a store that could not be asked: the error's own text says why."""
    topic = "schema" if isinstance(error, MigrationError) else "reachability"
    return Finding(Severity.ERROR, topic, str(error), remedy)


def gather(storage: Storage, *, deep: bool = False, connections: int | None = None) -> Facts:
    """Ask the storage; nothing is weighed yet."""
    driver = storage.driver
    round_trip, ahead = _look_at_clock(driver)
    now = storage.clock.micros()
    counts = driver.count(Page(), "state")
    waiting, paused = _waiting(driver, now, counts), storage.queues.paused()
    failed = driver.scan(Page(states=(StateKind.FAILED.value,), limit=LOOKED_AT))
    lapsed = driver.scan(Lapsed(now, LOOKED_AT))
    every = comparing.rows(driver) if deep else [*waiting, *failed, *lapsed]
    looked_at, damaged, example = _damage(every)
    return Facts(
        now=from_micros(now),
        round_trip=round_trip,
        ahead=ahead,
        counts=counts,
        servers=servers.alive(storage),
        waiting=_not_kept_back(driver, now, waiting, paused),
        paused=sorted(paused),
        failed=[decode_job(row) for row in failed],
        lapsed=[decode_job(row) for row in lapsed],
        looked_at=looked_at,
        damaged=damaged,
        example=example,
        connections=connections,
        **_schedules(storage),
    )


def _schedules(storage: Storage) -> dict[str, Any]:
    records = {record.name: readable(record) for record in storage.schedules.records()}
    return {
        "schedules": [known.schedule for known in records.values() if known is not None],
        "unreadable": [name.removeprefix(PREFIX) for name, known in records.items() if not known],
    }


def _look_at_clock(driver: Driver) -> tuple[float, float]:
    """The usual round trip, and by how much the store's clock is ahead of this machine's, as the
    shortest trip tells; in seconds."""
    looks = []
    for _ in range(LOOKS):
        wall, before = time.time(), time.perf_counter()
        there = driver.time() / 1e6
        trip = time.perf_counter() - before
        looks.append((trip, there - wall - trip / 2))
    return median(trip for trip, _ in looks), min(looks)[1]


def _waiting(driver: Driver, now: int, counts: dict[str, int]) -> list[Row]:
    """The jobs a claim would take next, and of each waiting state the first and last stored: what
    a low priority or a queue without a server keeps waiting is among the first."""
    later = counts.get(StateKind.SCHEDULED, 0) + counts.get(StateKind.AWAITING_RETRY, 0)
    rows = driver.scan(Available(now, LOOKED_AT)) if later <= FEW else []
    for kind in sorted(WAITING):
        stored = counts.get(kind.value, 0)
        for offset in {0, max(0, stored - LOOKED_AT)} if stored else ():
            rows += driver.scan(Page(states=(kind.value,), limit=LOOKED_AT, offset=offset))
    return list({row.id: row for row in rows}.values())


def _not_kept_back(driver: Driver, now: int, rows: list[Row], paused: Collection[str]) -> list[Job]:
    """Those that a claim could take at their time: no pause, no limit, none that they come after
    and no end of their own keeps them back."""
    jobs = [decode_job(row) for row in rows if row.due_at is not None]
    jobs = [job for job in jobs if job.queue not in paused and not rules.is_expired(job, now)]
    gates = Gates(driver, jobs, now)
    return [job for job in jobs if gates.closed(job) is None]


def _damage(rows: Iterable[Row]) -> tuple[int, int, Job | None]:
    """How many rows there are, how many of them cannot be read in full, and the first of these."""
    looked_at, damaged, example = 0, 0, None
    for row in rows:
        job = decode_job(row)
        looked_at += 1
        if job.damage is not None:
            damaged += 1
            example = example or job
    return looked_at, damaged, example

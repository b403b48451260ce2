"""Jobs that a filter names, read page by page, and changed in bulk."""

from collections.abc import Iterable, Iterator, Sequence

import attrs

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import Move, Page, Row
from ..values.errors import InvalidTransition, JobNotFound, UniqueKeyTaken
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.states import FINAL, Deleted, JobState, StateKind
from . import changes, checks, rules

AT_ONCE = 500
"""Jobs read, and changed, in one step: a claim that waits for it does not wait long."""

UNFINISHED = tuple(kind for kind in StateKind if kind not in FINAL)


def pages(driver: Driver, where: JobFilter, now: int) -> Iterator[list[Job]]:
    """The jobs a filter names, the newest first. What is changed, removed or enqueued meanwhile
    neither hides a job nor shows one twice."""
    if where.ids is not None:
        found = named(driver, where, now)
        yield from (found[first : first + AT_ONCE] for first in range(0, len(found), AT_ONCE))
        return
    for rows in steps(driver, page(where)):
        yield [job for job in map(decode_job, rows) if where.passes(job, now)]


def steps(
    driver: Driver, rows: Page, at_once: int = AT_ONCE, most: int | None = None
) -> Iterator[list[Row]]:
    """The rows of a page that has no limit, at most ``most`` of them, so many at once. What comes
    and goes meanwhile neither hides a row nor shows one twice."""
    below, left = rows.below, most
    while left is None or left > 0:
        step = at_once if left is None else min(at_once, left)
        found = driver.scan(rows._replace(limit=step, below=below))
        yield found
        if len(found) < step:
            return
        below, left = found[-1].seq, None if left is None else left - step


def named(driver: Driver, where: JobFilter, now: int) -> list[Job]:
    """The jobs of a filter that names ids, the newest first."""
    ids = list(where.ids or ())
    some = [ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE)]
    rows = [row for step in some for row in driver.load(step) if row is not None]
    found = [decode_job(row) for row in sorted(rows, key=lambda row: row.seq or 0, reverse=True)]
    return [job for job in found if where.passes(job, now)]


def jobs(driver: Driver, where: JobFilter, now: int) -> Iterator[Job]:
    """The jobs a filter names, one by one."""
    for some in pages(driver, where, now):
        yield from some


def count(driver: Driver, where: JobFilter, now: int) -> int:
    """How many jobs a filter names."""
    if where.looks_within:
        return sum(map(len, pages(driver, where, now)))
    return sum(driver.count(page(where), "state").values())


def page(where: JobFilter) -> Page:
    """All rows that may be of jobs which a filter names: it looks at each, if it looks within."""
    return Page(where.states, where.queue, where.method, batch=where.batch)


def change(driver: Driver, where: JobFilter, rule: changes.Rule, now: int) -> Iterator[Job]:
    """Change each job that the filter names by ``rule``; those that were, as stored. One that
    ``rule`` refuses, or that does not pass any more when its turn comes, is left as it is."""
    for some in pages(driver, where, now):
        yield from filter(None, _changed(driver, some, where, rule, now).values())


def _changed(
    driver: Driver, some: Sequence[Job], where: JobFilter, rule: changes.Rule, now: int
) -> dict[str, Job | None]:
    """For the id of each job that ``rule`` does not refuse the job as changed, if it was."""
    planned = list(_planned(some, rule))
    return {
        job.id: done or _again(driver, job.id, where, rule, now)
        for (job, _, _), done in zip(planned, changes.carry_out(driver, planned), strict=True)
    }


def _planned(some: Sequence[Job], rule: changes.Rule) -> Iterator[changes.Planned]:
    for job in some:
        try:
            yield (job, *rule(job))
        except InvalidTransition:
            continue


class _Passed(Exception):
    """The job is not one that the filter names, now."""


def _again(
    driver: Driver, job_id: str, where: JobFilter, rule: changes.Rule, now: int
) -> Job | None:
    """Another hand was faster with this job, or what it waited for ended: ask for it again."""

    def still(job: Job) -> tuple[Move, JobState]:
        if not where.passes(job, now):
            raise _Passed
        return rule(job)

    try:
        return changes.apply(driver, job_id, still)
    except (_Passed, InvalidTransition, JobNotFound, UniqueKeyTaken):
        return None


def erase(driver: Driver, where: JobFilter, now: int) -> int:
    """Remove the jobs a filter names; how many. Each becomes Deleted first, by a guarded move: so
    that one which somebody retries or finishes meanwhile is not removed in a state that the filter
    does not name."""
    removed = 0
    for some in pages(driver, where, now):
        doomed = [job.id for job in some if isinstance(job.state, Deleted)]
        changed = _changed(driver, some, where, lambda job: rules.cancel(job, None, now), now)
        doomed += [job_id for job_id, done in changed.items() if done is not None]
        removed += driver.erase(doomed, len(doomed)) if doomed else 0
    return removed


def within(where: JobFilter, states: Iterable[StateKind]) -> JobFilter:
    """The filter; where it names no states, those of ``states``."""
    where = checks.job_filter(where)
    return where if where.states is not None else attrs.evolve(where, states=tuple(states))

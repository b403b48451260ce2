"""Pages of the jobs that are asked for: each goes on where the one before ended, within bounds."""

import time
from collections.abc import Iterator

import attrs

from ..seam.codec import decode_job
from ..storage import selecting
from ..values.job import Job
from .board import Board
from .filters import Asked

AT_ONCE = 200
"""Jobs read in one step where not all that are read are meant."""

PATIENCE = 0.12
"""Seconds for which a page goes on looking for jobs that are meant among those that are not."""


@attrs.frozen
class Found:
    """A page of ``jobs``; ``after``: where the next begins, None = there is none; ``looked_at``:
    how many were read; ``whole``: the page is full, or nothing is left to look at."""

    jobs: list[Job]
    after: int | None
    looked_at: int
    whole: bool


def page(board: Board, asked: Asked, limit: int, after: int | None = None) -> Found:
    """The next ``limit`` jobs that are asked for, the newest first; fewer where looking for them
    takes too long."""
    if asked.ids:
        return _by_id(board, asked)
    found: list[Job] = []
    looked_at, until = 0, time.monotonic() + PATIENCE
    for jobs, ended in steps(board, asked, after, AT_ONCE if asked.looks_within else limit + 1):
        for job in jobs:
            if len(found) == limit:
                return Found(found, found[-1].seq, looked_at, whole=True)
            looked_at += 1
            after = job.seq
            if is_meant(board, asked, job):
                found.append(job)
        if ended:
            return Found(found, None, looked_at, whole=True)
        if time.monotonic() > until:
            break
    return Found(found, after, looked_at, whole=False)


@attrs.frozen
class Count:
    """How many jobs are meant, with the newest of them; not ``exact``: so many at least, of
    ``looked_at`` that were read."""

    number: int
    newest: list[Job]
    exact: bool
    looked_at: int = 0


def count(board: Board, asked: Asked, examples: int) -> Count:
    """How many jobs are asked for, as far as that can be told at once."""
    if asked.ids:
        found = _by_id(board, asked).jobs
        return Count(len(found), found[:examples], exact=True)
    if not asked.looks_within:
        number = board.looks.at(("count", asked), lambda: board.storage.count(asked.where))
        return Count(number, page(board, asked, examples).jobs, exact=True)
    number, looked_at, until = 0, 0, time.monotonic() + PATIENCE
    newest: list[Job] = []
    for jobs, ended in steps(board, asked, None, AT_ONCE):
        meant = [job for job in jobs if is_meant(board, asked, job)]
        newest += meant[: examples - len(newest)]
        looked_at, number = looked_at + len(jobs), number + len(meant)
        if ended:
            return Count(number, newest, exact=True, looked_at=looked_at)
        if time.monotonic() > until:
            break
    return Count(number, newest, exact=False, looked_at=looked_at)


def steps(
    board: Board, asked: Asked, after: int | None, at_once: int
) -> Iterator[tuple[list[Job], bool]]:
    """Jobs that the store names, step by step, each with whether it is the last."""
    rows_named = selecting.page(asked.where)._replace(below=after)
    for rows in selecting.steps(board.storage.driver, rows_named, at_once):
        jobs = [decode_job(row) for row in rows]
        ended = len(rows) < at_once or asked.is_over(jobs, board.storage.now())
        yield jobs, ended
        if ended:
            return


def is_meant(board: Board, asked: Asked, job: Job) -> bool:
    """Whether this job is one of those asked for."""
    now = board.storage.clock.micros()
    return asked.where.passes(job, now) and asked.passes(board.shown(job))


def _by_id(board: Board, asked: Asked) -> Found:
    known = [job for job in board.storage.get_many(asked.ids) if job is not None]
    meant = [job for job in known if is_meant(board, asked, job)]
    return Found(meant, None, len(known), whole=True)


def named(board: Board, asked: Asked) -> list[Job]:
    """The jobs whose ids are asked for, as far as they are there."""
    return [job for job in board.storage.get_many(asked.ids) if job is not None]

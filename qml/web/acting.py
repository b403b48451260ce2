"""What is done with jobs in bulk: in steps, so that no request takes long, and none is lost."""

import time
from collections.abc import Callable

import attrs

from ..seam.rows import Page
from ..storage import changes, selecting
from ..storage.storage import Storage
from ..values.errors import ConfigurationError, InvalidTransition, QmlError, StorageUnavailable
from ..values.states import StateKind, Succeeded
from . import walking
from .board import Board
from .filters import Asked

PATIENCE = 2.0
"""Seconds for which one request goes on changing jobs; what is left takes another."""

AT_ONCE = 200


def _retry(storage: Storage, job_id: str) -> None:
    storage.retry(job_id)


def _cancel(storage: Storage, job_id: str) -> None:
    """As ``storage.cancel``, but a job that has succeeded is refused: its result would be gone."""
    found = storage.get(job_id)
    if found is not None and isinstance(found.state, Succeeded):
        raise InvalidTransition(
            f"job {job_id} has succeeded: there is nothing to cancel; delete it to remove its "
            "record",
            job_id=job_id,
        )
    storage.cancel(job_id, "cancelled in the dashboard")


def _delete(storage: Storage, job_id: str) -> None:
    if not storage.delete(job_id):
        raise changes.not_found(job_id)


@attrs.frozen
class Verb:
    """What can be done with a job: its ``name``, what was ``done``, ``one``: with one job, and the
    ``states`` that are meant where none is named."""

    name: str
    done: str
    one: Callable[[Storage, str], None]
    states: tuple[StateKind, ...]

    def within(self, asked: Asked) -> Asked:
        """What is asked for; where it names no states and no ids, those of the verb."""
        named = asked.states or asked.ids
        return asked if named else attrs.evolve(asked, states=tuple(k.value for k in self.states))


VERBS = {
    "retry": Verb("retry", "enqueued again", _retry, (StateKind.FAILED,)),
    "cancel": Verb("cancel", "cancelled", _cancel, selecting.UNFINISHED),
    "delete": Verb("delete", "deleted", _delete, tuple(StateKind)),
}


def verb(name: str) -> Verb:
    """The verb of this name; ConfigurationError when there is none."""
    if name not in VERBS:
        raise ConfigurationError(f"nothing can be done by the name of {name!r}")
    return VERBS[name]


@attrs.frozen
class Done:
    """What became of a step: so many were ``changed``, so many ``refused``, ``why`` the first was;
    ``after``: where to go on, None = all were asked."""

    changed: int
    refused: int
    why: str
    after: int | None


def newest(board: Board) -> int:
    """The place before all jobs that there are now: what comes later was not counted."""
    rows = board.storage.driver.scan(Page(limit=1))
    return (rows[0].seq or 0) + 1 if rows else 0


def carry_out(board: Board, verb: Verb, asked: Asked, after: int) -> Done:
    """Do it with the jobs that are asked for, from a place on, for some time."""
    changed, refused, why = 0, 0, ""
    until = time.monotonic() + PATIENCE
    steps = walking.steps(board, asked, after, AT_ONCE)
    for jobs, ended in [(walking.named(board, asked), True)] if asked.ids else steps:
        for job in jobs:
            if not walking.is_meant(board, asked, job):
                continue
            try:
                verb.one(board.storage, job.id)
                changed += 1
            except StorageUnavailable:
                raise
            except QmlError as error:
                refused, why = refused + 1, why or str(error)
        if not ended and time.monotonic() > until:
            return Done(changed, refused, why, jobs[-1].seq)
    return Done(changed, refused, why, None)

"""What is done with jobs in bulk: in steps, so that no request takes long, and none is lost."""

import time
from collections.abc import Callable

import attrs

from ..seam.rows import Page
from ..storage import changes, selecting
from ..storage.storage import Storage
from ..values.errors import ConfigurationError, InvalidTransition, QmlError, StorageUnavailable
from ..values.selection import JobFilter
from ..values.states import StateKind, Succeeded
from . import walking
from .board import Board
from .filters import Asked

PATIENCE = 2.0
"""Seconds for which one request goes on changing jobs; what is left takes another."""

AT_ONCE = 500
"""Jobs changed in one step of the store."""

REASON = "cancelled in the dashboard"

CHANGED = "they had changed by then, or cannot be in their state."


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
    storage.cancel(job_id, REASON)


def _delete(storage: Storage, job_id: str) -> None:
    if not storage.delete(job_id):
        raise changes.not_found(job_id)


@attrs.frozen
class Verb:
    """What can be done with a job: its ``name``, what was ``done``; ``one``: with one job;
    ``many``: with all that a filter names; ``states`` that are meant where none is named, and
    those that it is ``possible`` in."""

    name: str
    done: str
    one: Callable[[Storage, str], None]
    many: Callable[[Storage, JobFilter], int]
    states: tuple[StateKind, ...]
    possible: tuple[StateKind, ...]

    def within(self, asked: Asked) -> Asked:
        """What is asked for; where it names no states and no ids, those of the verb."""
        named = asked.states or asked.ids
        return asked if named else attrs.evolve(asked, states=tuple(k.value for k in self.states))


_AGAIN = (StateKind.FAILED, StateKind.SCHEDULED, StateKind.AWAITING_RETRY)
_NOT_DONE = tuple(kind for kind in StateKind if kind is not StateKind.SUCCEEDED)

VERBS = {
    "retry": Verb(
        "retry", "enqueued again", _retry, Storage.retry_many, (StateKind.FAILED,), _AGAIN
    ),
    "cancel": Verb(
        "cancel",
        "cancelled",
        _cancel,
        lambda storage, where: storage.cancel_many(where, REASON),
        selecting.UNFINISHED,
        _NOT_DONE,
    ),
    "delete": Verb(
        "delete", "deleted", _delete, Storage.delete_many, tuple(StateKind), tuple(StateKind)
    ),
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
    if asked.ids:
        return _one_by_one(board, verb, asked)
    changed, refused, until = 0, 0, time.monotonic() + PATIENCE
    for jobs, ended in walking.steps(board, asked, after, AT_ONCE):
        ids = [job.id for job in jobs if walking.is_meant(board, asked, job)]
        where = JobFilter(ids=ids, states=verb.possible)
        done = verb.many(board.storage, where) if ids else 0
        changed, refused = changed + done, refused + len(ids) - done
        if not ended and time.monotonic() > until:
            return Done(changed, refused, CHANGED, jobs[-1].seq)
    return Done(changed, refused, CHANGED, None)


def _one_by_one(board: Board, verb: Verb, asked: Asked) -> Done:
    """With those that were picked: each refusal has its reason."""
    changed, refused, why = 0, 0, ""
    for job in walking.named(board, asked):
        if not walking.is_meant(board, asked, job):  # nor was it counted before the question
            continue
        try:
            verb.one(board.storage, job.id)
            changed += 1
        except StorageUnavailable:
            raise
        except QmlError as error:
            refused, why = refused + 1, why or board.shown(job).text(str(error))
    return Done(changed, refused, why, None)

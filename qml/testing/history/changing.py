"""The specification of what all others do: store, read, change, remove."""

from .facts import Facts
from .operation import NEVER, Operation
from .state import (
    ABSENT,
    DELETED,
    ENQUEUED,
    FAILED,
    PROCESSING,
    Next,
    State,
    agreed,
)

LEASE = 30_000_000
"""Microseconds for which a job is leased that is given as processing."""


def enqueued(state: State, op: Operation) -> Next:
    """A new job is stored as given."""
    if state.kind != ABSENT:
        return f"it is stored already, and {state.kind}"
    given = op.told or op.given
    assert given is not None
    return [_stored(given, op)]


def _stored(given: Facts, op: Operation) -> State:
    return State(
        kind=given.kind,
        version=given.version,
        attempt=given.attempt,
        fence=given.fence,
        max_attempts=given.max_attempts if op.told else None,
        seq=given.seq if op.told else None,
        worker=given.worker,
        held=(op.early + LEASE, op.late + LEASE) if given.worker else None,
        due=NEVER if given.due is None else given.due,
        since=op.early,
        outcome=given.outcome,
    )


def perhaps_enqueued(state: State, op: Operation) -> Next:
    """The same, or nothing if the id was taken."""
    return enqueued(state, op) if state.kind == ABSENT else []


def present(state: State, op: Operation) -> Next:
    """It is there, whatever it is: an id that is taken."""
    return "it is not stored" if state.kind == ABSENT else [state]


def absent(state: State, op: Operation) -> Next:
    """There is no such job."""
    return [state] if state.kind == ABSENT else f"it is stored, and {state.kind}"


def read(state: State, op: Operation) -> Next:
    """A look shows the job as it is."""
    return "it is not stored" if state.kind == ABSENT else agreed(state, op.told)


# -- other hands -----------------------------------------------------------------------------------


def cancelled(state: State, op: Operation) -> Next:
    """Deleted at once; who runs it keeps the lease until the run has ended."""
    told = op.told
    if state.kind in (ABSENT, DELETED):
        return "it is not stored" if state.kind == ABSENT else "it is deleted already"
    after = state._replace(
        kind=DELETED,
        version=state.version + 1,
        since=op.early if told is None else told.since,
        outcome=None,
    )
    return agreed(after, told)


def refused_to_cancel(state: State, op: Operation) -> Next:
    """What is deleted cannot be cancelled."""
    return [state] if state.kind == DELETED else f"it is {state.kind}, and can be cancelled"


def perhaps_cancelled(state: State, op: Operation) -> Next:
    """The same as ``cancelled``, or nothing."""
    found = cancelled(state, op)
    return [] if isinstance(found, str) else found


def expired(state: State, op: Operation) -> Next:
    """Not started in time: Deleted as it waited, or at once by a claim that came upon it, whose
    attempt is not charged."""
    told = op.told
    assert told is not None
    if not state.is_waiting:
        return f"it is {state.kind}, and does not wait"
    return agreed(_expired(state, told.since, claimed=told.fence > state.fence), told)


def perhaps_expired(state: State, op: Operation) -> Next:
    """The same as it waited, or nothing."""
    return [_expired(state, op.early, claimed=False)] if state.is_waiting else []


def _expired(state: State, since: int, *, claimed: bool) -> State:
    return state._replace(
        kind=DELETED,
        version=state.version + 1 + claimed,
        fence=state.fence + claimed,
        worker=None if claimed else state.worker,
        locker=None if claimed else state.locker,
        held=None if claimed else state.held,
        since=since,
        outcome=None,
    )


RETRIED = (FAILED, "scheduled", "awaiting_retry")


def retried(state: State, op: Operation) -> Next:
    """A failed or waiting job is ready at once, with at least one attempt left."""
    told = op.told
    if state.kind not in RETRIED:
        return f"it is {state.kind}, and cannot be retried"
    most = state.max_attempts
    after = state._replace(
        kind=ENQUEUED,
        version=state.version + 1,
        max_attempts=most if most is None else max(most, state.attempt + 1),
        due=0,
        outcome="",
        ahead=False,
    )
    return agreed(after, told)


def perhaps_retried(state: State, op: Operation) -> Next:
    """The same, or nothing."""
    return retried(state, op) if state.kind in RETRIED else []


def refused_to_retry(state: State, op: Operation) -> Next:
    """What is ready, runs, or is done cannot be retried."""
    if state.kind in RETRIED or state.kind == ABSENT:
        return f"it is {state.kind}"
    return [state]


def without_its_key(state: State, op: Operation) -> Next:
    """It might be retried, but another job holds its key."""
    return [state] if state.kind in RETRIED else f"it is {state.kind}"


def updated(state: State, op: Operation) -> Next:
    """The record becomes what was sent, if it was read as the version that is stored."""
    if state.kind == ABSENT:
        return "it is not stored"
    if not _as_read(state, op):
        return "another version is stored than the one that was changed"
    return agreed(_after_update(state, op), op.told)


def _as_read(state: State, op: Operation) -> bool:
    given = op.given
    assert given is not None
    same_job = None in (state.seq, given.seq) or state.seq == given.seq
    return same_job and state.version == given.version


def _after_update(state: State, op: Operation) -> State:
    given, told = op.given, op.told
    assert given is not None
    starts = given.kind == PROCESSING and state.kind != PROCESSING
    keeps = (
        state.kind == PROCESSING
        if given.kind == PROCESSING
        else state.kind != PROCESSING or given.kind == DELETED
    )
    after = state._replace(
        kind=given.kind,
        version=state.version + 1,
        attempt=state.attempt + starts,
        fence=state.fence + starts,
        max_attempts=told and told.max_attempts,
        worker=given.worker if starts else state.worker,
        due=NEVER if given.due is None else given.due,
        since=state.since if given.kind == state.kind else op.early,
        outcome=given.outcome,
    )
    if starts:
        return after._replace(locker=None, held=(op.early + LEASE, op.late + LEASE))
    return after if keeps else after._replace(locker=None, held=None)


def refused_update(state: State, op: Operation) -> Next:
    """The stored job has changed since it was read."""
    if state.kind == ABSENT:
        return "it is not stored"
    return "the version that was changed is stored" if _as_read(state, op) else [state]


def perhaps_updated(state: State, op: Operation) -> Next:
    """The same as ``updated``, or nothing."""
    there = state.kind != ABSENT and _as_read(state, op)
    return [_after_update(state, op)] if there else []


def removed(state: State, op: Operation) -> Next:
    """Gone, whatever its state."""
    return "it is not stored" if state.kind == ABSENT else [State()]


def perhaps_removed(state: State, op: Operation) -> Next:
    """The same, or nothing."""
    return [] if state.kind == ABSENT else [State()]


def perhaps_purged(state: State, op: Operation) -> Next:
    """A purge removes jobs that have been final for as long as they are kept."""
    old = state.kind == op.kind and state.since + op.lease <= op.late
    return [State()] if old else []

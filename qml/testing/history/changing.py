"""The specification of what all others do: store, read, change, remove."""

from ...values.states import WAITING
from .facts import NO_TIES, Facts
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
    is_limited,
)

LEASE = 30_000_000
"""Microseconds for which a job is leased that is given as processing."""


def enqueued(state: State, op: Operation) -> Next:
    """A new job is stored as given."""
    if state.kind != ABSENT:
        return f"it is stored already, and {state.kind}"
    given = op.told or op.given
    assert given is not None
    new = _stored(given, op)
    if not new.waits:
        return [new]
    # What it waits for may have ended before it came.
    return [new._replace(asleep=True, due=NEVER), new._replace(due=0)]


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
        due=_due(given),
        since=op.early,
        outcome=given.outcome,
        waits=(given.ties or NO_TIES).waits and given.kind in WAITING,
        limited=is_limited(given),
    )


def _due(given: Facts) -> int:
    return NEVER if given.due is None else given.due


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
        asleep=False,
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
    found: list[State] = []
    for after in _after_update(state, op):
        agrees = agreed(after, op.told)
        if isinstance(agrees, str):
            return agrees
        found += agrees
    return found


def _as_read(state: State, op: Operation) -> bool:
    given = op.given
    assert given is not None
    same_job = None in (state.seq, given.seq) or state.seq == given.seq
    return same_job and state.version == given.version


def _after_update(state: State, op: Operation) -> list[State]:
    """One that waits for others still does, unless its state is another: then it is due by that."""
    given, told = op.given, op.told
    assert given is not None
    due, same_kind = _due(given), given.kind == state.kind
    starts = given.kind == PROCESSING and state.kind != PROCESSING
    after = state._replace(
        kind=given.kind,
        version=state.version + 1,
        attempt=state.attempt + starts,
        fence=state.fence + starts,
        max_attempts=told and told.max_attempts,
        worker=given.worker if starts else state.worker,
        due=min(state.due, due) if state.waits and same_kind else due,
        asleep=False,
        limited=is_limited(given),
        since=state.since if same_kind else op.early,
        outcome=given.outcome,
    )
    if starts:
        return [after._replace(locker=None, held=(op.early + LEASE, op.late + LEASE))]
    after = after if _keeps_hold(state, given) else after._replace(locker=None, held=None)
    asleep = [after._replace(asleep=True, due=NEVER)] if state.asleep and same_kind else []
    return [*asleep, after]


def _keeps_hold(state: State, given: Facts) -> bool:
    if given.kind == PROCESSING:
        return state.kind == PROCESSING
    return state.kind != PROCESSING or given.kind == DELETED


def replaced(state: State, op: Operation) -> Next:
    """Who holds a unique key, and has not begun, is to do what another says: its attempts begin
    anew; its fence and a lock on it stay."""
    assert op.given is not None
    if not state.is_waiting:
        return f"it is {state.kind}, and does not wait"
    after = state._replace(
        kind=op.given.kind,
        version=state.version + 1,
        attempt=0,
        max_attempts=op.told and op.told.max_attempts,
        due=_due(op.given),
        since=op.early,
        outcome=op.given.outcome,
        limited=is_limited(op.given),
    )
    return agreed(after, op.told)


def perhaps_replaced(state: State, op: Operation) -> Next:
    """The same, or nothing."""
    return replaced(state, op) if state.is_waiting else []


def refused_update(state: State, op: Operation) -> Next:
    """The stored job has changed since it was read."""
    if state.kind == ABSENT:
        return "it is not stored"
    return "the version that was changed is stored" if _as_read(state, op) else [state]


def perhaps_updated(state: State, op: Operation) -> Next:
    """The same as ``updated``, or nothing."""
    there = state.kind != ABSENT and _as_read(state, op)
    return _after_update(state, op) if there else []


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

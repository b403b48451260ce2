"""The specification of what workers do: claims and their ends, renewals, locks, rescues."""

from .operation import Operation
from .state import (
    ABSENT,
    ENQUEUED,
    FAILED,
    PROCESSING,
    Next,
    State,
    agreed,
    attempts_used_up,
    holds,
    same_claim,
)


def claimed(state: State, op: Operation) -> Next:
    """A claim takes a waiting job that is due and that nobody else holds."""
    told = op.told
    assert told is not None
    if not state.is_waiting:
        return _not_waiting(state)
    if state.due > told.since:
        return "it is not due yet"
    if state.holder != op.worker and state.lease_lasts(told.since, op.late):
        return f"{state.holder!r} holds it"
    assert told.until is not None
    return agreed(_with_claim(state, op, (told.until, told.until)), told)


def _not_waiting(state: State) -> str:
    if state.kind == PROCESSING:
        return f"{state.worker!r} runs it by fence {state.fence}"
    return "it is not stored" if state.kind == ABSENT else f"it is {state.kind}"


def _with_claim(state: State, op: Operation, held: tuple[int, int]) -> State:
    return state._replace(
        kind=PROCESSING,
        version=state.version + 1,
        attempt=state.attempt + 1,
        fence=state.fence + 1,
        worker=op.worker,
        locker=None,
        held=held,
        outcome="",
        ahead=op.ahead,
    )


def perhaps_claimed(state: State, op: Operation) -> Next:
    """Nobody heard of the claim: it lapses like any other."""
    return [_with_claim(state, op, _span(op))] if state.is_waiting else []


def _span(op: Operation) -> tuple[int, int]:
    """When a lease ends that was asked for between ``early`` and ``late``."""
    return op.early + op.lease, op.late + op.lease


# -- ends of claims --------------------------------------------------------------------------------


def ended(state: State, op: Operation) -> Next:
    """The claim that holds the job ends; or the same end was sent again and changes nothing."""
    told = op.told
    assert told is not None
    if holds(state, op):
        return agreed(_after_end(state, op, due=told.due, since=told.since), told)
    if not same_claim(state, op):
        if state.kind == ABSENT:
            return "it is not stored"
        return f"its last claim is that of {state.worker!r} by fence {state.fence}"
    if _repeats(state, op) and not _to_be_let_go(state):
        return agreed(state, told)
    return f"it is {state.kind} already"


def _after_end(state: State, op: Operation, due: int | None, since: int) -> State:
    return state._replace(
        kind=op.kind,
        version=state.version + 1,
        attempt=state.attempt - (op.verb == "release"),
        locker=None,
        held=None,
        due=due if due is not None else 0,
        since=since,
        outcome=op.outcome,
        ahead=False,
    )


def _repeats(state: State, op: Operation) -> bool:
    """Whether the stored outcome is the one sent, by all that is known of it."""
    return state.kind == op.kind and state.outcome in (None, op.outcome)


def _to_be_let_go(state: State) -> bool:
    """A cancelled run keeps its lease until its end is sent, in vain."""
    return state.kind != PROCESSING and state.held is not None and state.locker is None


def refused_to_end(state: State, op: Operation) -> Next:
    """The claim is over. The run of a cancelled job ends, and with it the lease."""
    if holds(state, op):
        return "the claim still holds the job"
    if not same_claim(state, op):
        return [state]
    if _to_be_let_go(state):
        return [state._replace(held=None)]
    if _repeats(state, op) and state.outcome is not None:
        return "the same claim had ended it so, and may send that again"
    return [state]


def undone(state: State, op: Operation) -> Next:
    """As part of a transaction, which is undone unless this very call ends the claim."""
    if holds(state, op):
        return "the claim still holds the job"
    return (
        [state._replace(held=None)] if same_claim(state, op) and _to_be_let_go(state) else [state]
    )


def perhaps_ended(state: State, op: Operation) -> Next:
    """The end, or nothing if the claim was over."""
    if holds(state, op):
        return [_after_end(state, op, due=op.early if op.due is None else op.due, since=op.early)]
    if same_claim(state, op) and _to_be_let_go(state):
        return [state._replace(held=None)]
    return []


def renewed(state: State, op: Operation) -> Next:
    """A claim that has not ended has its lease extended, also when that has lapsed meanwhile."""
    if _may_renew(state, op):
        return [state._replace(held=_span(op))]
    if same_claim(state, op):
        return f"the claim is over: the job is {state.kind}"
    return f"the last claim is that of {state.worker!r} by fence {state.fence}"


def _may_renew(state: State, op: Operation) -> bool:
    return same_claim(state, op) and state.held is not None and state.locker is None


def refused_to_renew(state: State, op: Operation) -> Next:
    """The claim is over. Or it has lapsed, and others may have its permit by now."""
    if _may_renew(state, op) and (not state.limited or state.lease_lasts(op.late, op.late)):
        return "the claim still holds the job"
    return [state]


def perhaps_renewed(state: State, op: Operation) -> Next:
    """The same, or nothing."""
    return [state._replace(held=_span(op))] if _may_renew(state, op) else []


# -- locks -----------------------------------------------------------------------------------------


def locked(state: State, op: Operation) -> Next:
    """Taken if nobody else holds the job. Over a lapsed claim it makes the old hand stale."""
    if state.kind == ABSENT:
        return "it is not stored"
    return perhaps_locked(state, op) or f"{state.holder!r} holds it"


def perhaps_locked(state: State, op: Operation) -> list[State]:
    """What may come of a lock; whether a lease had lapsed may be open, and then both may be."""
    if state.kind == ABSENT:
        return []
    found = []
    if state.held is None or state.held[0] <= op.late:
        found.append(_taken_over(state, op))
    if state.held is not None and state.held[1] > op.early and state.holder == op.worker:
        found.append(state._replace(held=_span(op)))
    return found


def _taken_over(state: State, op: Operation) -> State:
    if state.kind != PROCESSING:
        return state._replace(locker=op.worker, held=_span(op))
    return state._replace(
        version=state.version + 1,
        fence=state.fence + 1,
        worker=op.worker,
        locker=None,
        held=_span(op),
    )


def refused_lock(state: State, op: Operation) -> Next:
    """Another holds the job, or there is none."""
    if state.kind == ABSENT:
        return [state]
    if state.kind == PROCESSING and state.limited and not state.lease_lasts(op.late, op.late):
        return [state]  # the lapsed claim would need a permit again, which others may have
    if state.held is None or state.held[1] <= op.early:
        return "nobody holds it"
    return [state] if state.holder != op.worker else "the same worker holds it"


def unlocked(state: State, op: Operation) -> Next:
    """The live holder lets go. A job that is being processed stays so, its lease over."""
    return perhaps_unlocked(state, op) or "it is not held by that worker"


def perhaps_unlocked(state: State, op: Operation) -> list[State]:
    """The same, or nothing."""
    if state.held is None or state.holder != op.worker or state.held[1] <= op.early:
        return []
    if state.kind == PROCESSING:
        return [state._replace(held=(op.early, op.late))]
    return [state._replace(locker=None, held=None)]


def refused_unlock(state: State, op: Operation) -> Next:
    """It holds nothing, or not any more."""
    if state.held is not None and state.holder == op.worker and state.held[0] > op.late:
        return "that worker holds it"
    return [state]


def perhaps_let_go(state: State, op: Operation) -> Next:
    """A worker is known to be dead: if its claim runs the job, the lease ends now, unless it had
    lapsed before. Until a rescue the claim holds the job like any that has lapsed."""
    if state.kind != PROCESSING or state.held is None or state.worker != op.worker:
        return []
    earliest, latest = state.held
    return [state._replace(held=(min(earliest, op.early), min(latest, op.late)))]


# -- rescues ---------------------------------------------------------------------------------------


def rescued(state: State, op: Operation) -> Next:
    """A job whose lease has lapsed is taken from its worker: to be tried again while there are
    attempts left, uncharged if it was claimed ahead of a free thread, or else failed."""
    told = op.told
    assert told is not None
    if state.kind != PROCESSING or state.held is None:
        return f"it is {state.kind}, and nobody runs it"
    if state.lease_lasts(told.since, op.late):
        return f"the lease of {state.worker!r} has not lapsed"
    after = _after_rescue(state, told.kind, told.due, told.since)
    if told.attempt == state.attempt - 1 and state.ahead and told.kind == ENQUEUED:
        return agreed(after._replace(attempt=told.attempt), told)
    if told.lost_by != state.worker:
        return f"{state.worker!r} runs it, and it was taken from {told.lost_by!r}"
    if (told.kind == FAILED) != (told.attempt >= (told.max_attempts or 1)):
        return f"after attempt {told.attempt} of {told.max_attempts} it became {told.kind}"
    return agreed(after, told)


def _after_rescue(state: State, kind: str, due: int | None, since: int) -> State:
    return state._replace(
        kind=kind,
        version=state.version + 1,
        locker=None,
        held=None,
        due=due if due is not None else 0,
        since=since,
        outcome=None,
        ahead=False,
    )


def perhaps_rescued(state: State, op: Operation) -> Next:
    """Nobody heard how: it may be ready again, or wait for a retry, or have failed."""
    if state.kind != PROCESSING or state.held is None or state.held[0] > op.late:
        return []
    found = []
    if not attempts_used_up(state):
        kinds = {"awaiting_retry": op.early, ENQUEUED: 0}
        found = [_after_rescue(state, kind, due, op.early) for kind, due in kinds.items()]
    if attempts_used_up(state) or state.max_attempts is None:
        found.append(_after_rescue(state, FAILED, None, op.early))
    if state.ahead:
        ready = _after_rescue(state, ENQUEUED, 0, op.early)
        found.append(ready._replace(attempt=state.attempt - 1))
    return found

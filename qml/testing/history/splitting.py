"""From calls to operations on single jobs.

Linearizability is local: a history is linearizable if, and only if, its part on each object is
(Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990). So a
call on several jobs is split into one operation for each, all with the interval of the call.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .facts import NO_TIES, Facts, Hand, as_noted
from .following import FOLLOWED, followed_once
from .journal import Call
from .operation import ANYWHERE, DONE, NEVER, UNKNOWN, Operation, Operations


def split(calls: Sequence[Call], allowance: int) -> Operations:
    """The operations of the calls. ``allowance``: by how many microseconds clocks may differ."""
    by_job: dict[str, list[Operation]] = defaultdict(list)
    of_queues: dict[str, list[Operation]] = defaultdict(list)
    first = min((call.early for call in calls), default=0) - allowance
    last = max((call.late or call.early for call in calls), default=0) + allowance
    for call in calls:
        if call.verb != "final":
            make = _make(call, allowance, last, UNKNOWN if call.verb == "enqueue_in" else None)
            where = of_queues if call.verb in ("pause", "resume") else by_job
            for operation in _SPLIT[call.verb](call, make):
                where[operation.job].append(operation)
            for operation in _also(call, _make(call, allowance, last, DONE)):
                by_job[operation.job].append(operation)
    for call in calls:
        if call.verb == "final" and _answer(call) == DONE:
            _final(call, _make(call, allowance, last), by_job)
    anywhere = [op for op in by_job.pop(ANYWHERE, []) if _is_possible(op, first)]
    ends = [call for call in calls if call.verb in FOLLOWED and _answer(call) == UNKNOWN]
    unheard = [_make(call, allowance, last)(ANYWHERE) for call in ends]
    jobs = {job: followed_once(ops, unheard) for job, ops in by_job.items()}
    in_order = sorted(anywhere, key=lambda operation: operation.began)
    return Operations(jobs, in_order, dict(of_queues))


def _is_possible(op: Operation, first: int) -> bool:
    """A purge can have removed nothing if no job is old enough yet."""
    return op.verb != "purge" or first + op.lease <= op.late


Make = Callable[..., Operation]
Made = Iterator[Operation]


def _make(call: Call, allowance: int, last: int, instead: str | None = None) -> Make:
    """``last``: the storage's time at the end; what comes later is seen by nobody. ``instead``: the
    answer to go by, if not the call's."""
    answer, ended, late = instead or _answer(call), NEVER, last
    if answer != UNKNOWN and call.ended is not None and call.late is not None:
        ended, late = call.ended, call.late + allowance
    common = (call.began, ended, call.early - allowance, late, call.process, call.number)

    def make(job: str, instead: str = answer, **parts: Any) -> Operation:
        return Operation(call.verb, job, instead, *common, **parts)

    return make


def _told(call: Call) -> Any:
    """What the reply told; None if it told nothing."""
    return (call.reply or {}).get("told")


def _answer(call: Call) -> str:
    return UNKNOWN if call.reply is None else str(call.reply.get("error", DONE))


def _facts(noted: Any) -> Facts | None:
    return None if noted is None else as_noted(noted)


def _enqueue(call: Call, make: Make) -> Made:
    """A refused batch says of one job that it is there, unless it stands in the batch twice."""
    answer, given = _answer(call), [as_noted(noted) for noted in call.given]
    if answer in (DONE, UNKNOWN):
        told = _told(call) or [None] * len(given)
        for sent, stored in zip(given, told, strict=True):
            yield from _new(make, sent, _facts(stored))
    elif answer == "exists":
        yield from _there(call, make, given)


def _new(make: Make, sent: Facts, stored: Facts | None) -> Made:
    """A new job. One that waits for others is told as it is a moment later, when those may have
    ended, and more may have come of it."""
    if stored is None or not (sent.ties or NO_TIES).waits:
        yield make(sent.id, given=sent, told=stored)._replace(verb="enqueue")
    else:
        yield make(sent.id, given=sent)._replace(verb="enqueue")
        yield make(sent.id, told=stored)._replace(verb="read")


def _there(call: Call, make: Make, given: Sequence[Facts]) -> Made:
    there = (call.reply or {})["job"]
    if sum(sent.id == there for sent in given) == 1:
        yield make(there)._replace(verb="enqueue")


def _enqueue_in(call: Call, make: Make) -> Made:
    """In another's transaction: nobody hears of its commit. What is taken there may never be."""
    if _answer(call) in (DONE, UNKNOWN):
        for noted in call.given:
            yield make(noted[0], given=as_noted(noted))._replace(verb="enqueue")


def _place(call: Call, make: Make) -> Made:
    """What was stored, and whose place was taken, is told besides, also if the rest was refused.
    The answer shows others as they are."""
    answer, given = _answer(call), [as_noted(noted) for noted in call.given["jobs"]]
    if answer == DONE:
        for noted in _told(call):
            yield make(noted[0], told=as_noted(noted))._replace(verb="read")
    elif answer == "exists":
        yield from _there(call, make, given)
    elif answer == UNKNOWN:
        known = {noted[0] for _, noted in _besides(call)}
        for sent in given:
            if sent.id not in known:
                yield make(sent.id, given=sent, alone=True)._replace(verb="enqueue")
            if call.given["on_conflict"] == "replace":
                yield make(ANYWHERE, given=sent)._replace(verb="replace")


def _read(call: Call, make: Make) -> Made:
    answer = _answer(call)
    if answer == DONE:
        for job, told in zip(call.given, _told(call), strict=True):
            yield make(job, DONE if told else "absent", told=_facts(told))
    elif answer == "absent":
        yield make(call.given[0])


def _final(call: Call, make: Make, by_job: dict[str, list[Operation]]) -> None:
    """What the store holds at the end, and of all other jobs that it does not hold them."""
    told = {noted[0]: as_noted(noted) for noted in _told(call)}
    for job in (by_job.keys() | told.keys()) - {ANYWHERE}:
        shown = told.get(job)
        by_job[job].append(make(job, DONE if shown else "absent", told=shown))


def _claim(call: Call, make: Make) -> Made:
    given, answer = call.given, _answer(call)
    parts = {"worker": given["worker"], "lease": given["lease"]}
    if answer == DONE:
        for rank, told in enumerate(_told(call)):
            yield make(told[0], told=_facts(told), ahead=rank >= given["limit"], **parts)
    elif answer == UNKNOWN:
        yield make(ANYWHERE, ahead=given["ahead"] > 0, **parts)


def _rescue(call: Call, make: Make) -> Made:
    answer = _answer(call)
    if answer == DONE:
        yield from (make(told[0], told=_facts(told)) for told in _told(call))
    elif answer == UNKNOWN:
        yield make(ANYWHERE)


def _purge(call: Call, make: Make) -> Made:
    """It tells how many, and not which."""
    if _answer(call) == UNKNOWN or _told(call):
        for kind, kept in call.given.items():
            yield make(ANYWHERE, UNKNOWN, kind=kind, lease=kept)


def _end_claims(call: Call, make: Make) -> Made:
    """It tells how many, and not which."""
    if _answer(call) == UNKNOWN or _told(call):
        yield make(ANYWHERE, UNKNOWN, worker=call.given)


def _end(call: Call, make: Make, ends: list[tuple[Hand, dict[str, Any]]]) -> Made:
    answer, told = _answer(call), _told(call) or [None] * len(ends)
    if answer not in (DONE, UNKNOWN):
        return  # something was wrong with what was given, and nothing was done
    for (hand, parts), stored in zip(ends, told, strict=True):
        each = "lost" if answer == DONE and stored is None else answer
        yield make(hand.id, each, told=_facts(stored), **_by(hand), **parts)


def _by(hand: Hand) -> dict[str, Any]:
    return {"worker": hand.worker, "fence": hand.fence, "seq": hand.seq}


def _finish(call: Call, make: Make) -> Made:
    ends = [
        (Hand(*hand), {"kind": kind, "outcome": outcome, "due": due})
        for hand, kind, outcome, due in call.given
    ]
    yield from _end(call, make, ends)


def _finish_in(call: Call, make: Make) -> Made:
    """As part of a transaction. What is answered by a loss was undone, also if the same end had
    been recorded before."""
    hand, kind, outcome, due = call.given
    ends = [(Hand(*hand), {"kind": kind, "outcome": outcome, "due": due})]
    for op in _end(call, make, ends):
        undone = op._replace(answer="undone") if op.answer == "lost" else op
        yield undone._replace(verb="finish")


def _release(call: Call, make: Make) -> Made:
    delayed = {"kind": "awaiting_retry", "outcome": '""'}
    parts = delayed if call.given["delayed"] else {"kind": "enqueued", "outcome": "", "due": 0}
    yield from _end(call, make, [(Hand(*hand), parts) for hand in call.given["hands"]])


def _renew(call: Call, make: Make) -> Made:
    hands = [Hand(*hand) for hand in call.given["hands"]]
    answer, told = _answer(call), _told(call) or [None] * len(hands)
    if answer not in (DONE, UNKNOWN):
        return
    for hand, held in zip(hands, told, strict=True):
        each = "lost" if held is False else answer
        yield make(hand.id, each, lease=call.given["lease"], **_by(hand))


def _hold(call: Call, make: Make) -> Made:
    given, answer = call.given, _answer(call)
    if answer in (DONE, UNKNOWN):
        each = "refused" if _told(call) is False else answer
        yield make(given["job"], each, worker=given["worker"], lease=given.get("lease", 0))


def _besides(call: Call) -> list[tuple[str, Any]]:
    besides: list[tuple[str, Any]] = (call.reply or {}).get("also", [])
    return besides


def _also(call: Call, make: Make) -> Made:
    """What a call has done beside what its answer tells."""
    sent = {noted[0]: noted for noted in call.given["jobs"]} if call.verb == "place" else {}
    for verb, noted in _besides(call):
        told = as_noted(noted)
        if told.id in sent and verb == "enqueue":
            yield from _new(make, as_noted(sent[told.id]), told)
        else:
            follows = call.verb in FOLLOWED and verb == "enqueue"
            yield make(told.id, given=told, told=told, alone=follows)._replace(verb=verb)


def _of_many(call: Call, make: Make) -> Made:
    """Which jobs it changed is told besides; without a reply it may have been any."""
    if _answer(call) == UNKNOWN:
        yield make(ANYWHERE)


def _if_any(call: Call, make: Make) -> Made:
    """A delete of what is not there changes nothing, nor a resume of a queue that is not paused."""
    yield make(call.given, "absent" if _told(call) is False else _answer(call))


def _change(call: Call, make: Make) -> Made:
    """Cancel and retry, which are given an id."""
    if _answer(call) != "nothing":
        yield make(call.given, told=_facts(_told(call)))


def _update(call: Call, make: Make) -> Made:
    given, answer = as_noted(call.given), _answer(call)
    if answer in (DONE, UNKNOWN, "absent", "stale"):
        yield make(given.id, given=given, told=_facts(_told(call)))


_SPLIT: dict[str, Callable[[Call, Make], Made]] = {
    "enqueue": _enqueue,
    "enqueue_in": _enqueue_in,
    "place": _place,
    "read": _read,
    "claim": _claim,
    "rescue": _rescue,
    "purge": _purge,
    "finish": _finish,
    "finish_in": _finish_in,
    "release": _release,
    "renew": _renew,
    "lock": _hold,
    "unlock": _hold,
    "end_claims": _end_claims,
    "expire": _of_many,
    "cancel_many": _of_many,
    "retry_many": _of_many,
    "pause": _if_any,
    "resume": _if_any,
    "issue": lambda call, make: iter(()),
    "delete": _if_any,
    "cancel": _change,
    "retry": _change,
    "update": _update,
}

"""From calls to operations on single jobs.

Linearizability is local: a history is linearizable if, and only if, its part on each object is
(Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990). So a
call on several jobs is split into one operation for each, all with the interval of the call.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .facts import Facts, Hand
from .journal import Call

NEVER = 2**62
"""A time after every other."""

DONE, UNKNOWN = "done", "unknown"

ANYWHERE = ""
"""The job of an operation that may have touched any: nobody heard which."""


class Operation(NamedTuple):
    """What one call did, or may have done, to one job.

    ``answer``: "done", a refusal by its name, or "unknown": then it took effect once at any time
    after ``began``, or never. ``early``, ``late``: the storage's time in which it was carried out,
    the allowance for clocks included. ``given``, ``told``: the job as sent and as the reply showed
    it. ``worker``, ``fence``, ``seq``: the claim that acts. ``lease``: the microseconds asked for,
    of a purge how long jobs in state ``kind`` are kept. ``kind``, ``outcome``, ``due``: what a
    claim's end asks for. ``ahead``: claimed ahead of a free thread.
    """

    verb: str
    job: str
    answer: str
    began: int
    ended: int
    early: int
    late: int
    process: str
    number: int
    worker: str | None = None
    fence: int = 0
    seq: int | None = None
    lease: int = 0
    given: Facts | None = None
    told: Facts | None = None
    kind: str = ""
    outcome: str = ""
    due: int | None = None
    ahead: bool = False

    def forgotten(self) -> "Operation":
        """The same without its reply: it may have taken effect, or not."""
        return self._replace(answer=UNKNOWN, told=None, ended=NEVER)


class Operations(NamedTuple):
    """All operations: of each job by its id, and those that may have touched any job, by time."""

    by_job: dict[str, list[Operation]]
    anywhere: list[Operation]


def split(calls: Sequence[Call], allowance: int) -> Operations:
    """The operations of the calls. ``allowance``: by how many microseconds clocks may differ."""
    by_job: dict[str, list[Operation]] = defaultdict(list)
    first = min((call.early for call in calls), default=0) - allowance
    last = max((call.late or call.early for call in calls), default=0) + allowance
    for call in calls:
        if call.verb != "final":
            make = _make(call, allowance, last)
            for operation in (*_SPLIT[call.verb](call, make), *_also(call, make)):
                by_job[operation.job].append(operation)
    for call in calls:
        if call.verb == "final" and _answer(call) == DONE:
            _final(call, _make(call, allowance, last), by_job)
    anywhere = [op for op in by_job.pop(ANYWHERE, []) if _is_possible(op, first)]
    return Operations(dict(by_job), sorted(anywhere, key=lambda operation: operation.began))


def _is_possible(op: Operation, first: int) -> bool:
    """A purge can have removed nothing if no job is old enough yet."""
    return op.verb != "purge" or first + op.lease <= op.late


Make = Callable[..., Operation]
Made = Iterator[Operation]


def _make(call: Call, allowance: int, last: int) -> Make:
    """``last``: the storage's time at the end; what comes later is seen by nobody."""
    answer, ended, late = _answer(call), NEVER, last
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
    return None if noted is None else Facts._make(noted)


def _enqueue(call: Call, make: Make) -> Made:
    """A refused batch says of one job that it is there, unless it stands in the batch twice."""
    answer, given = _answer(call), [Facts._make(noted) for noted in call.given]
    if answer in (DONE, UNKNOWN):
        told = _told(call) or [None] * len(given)
        for sent, stored in zip(given, told, strict=True):
            yield make(sent.id, given=sent, told=_facts(stored))
    elif answer == "exists" and call.reply is not None:
        there = call.reply["job"]
        if sum(sent.id == there for sent in given) == 1:
            yield make(there)


def _read(call: Call, make: Make) -> Made:
    answer = _answer(call)
    if answer == DONE:
        for job, told in zip(call.given, _told(call), strict=True):
            yield make(job, DONE if told else "absent", told=_facts(told))
    elif answer == "absent":
        yield make(call.given[0])


def _final(call: Call, make: Make, by_job: dict[str, list[Operation]]) -> None:
    """What the store holds at the end, and of all other jobs that it does not hold them."""
    told = {noted[0]: Facts._make(noted) for noted in _told(call)}
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


def _also(call: Call, make: Make) -> Made:
    """What a call has done beside what its answer tells."""
    for verb, noted in (call.reply or {}).get("also", ()):
        told = Facts._make(noted)
        yield make(told.id, DONE, given=told, told=told)._replace(verb=verb)


def _of_many(call: Call, make: Make) -> Made:
    """Which jobs it changed is told besides; without a reply it may have been any."""
    if _answer(call) == UNKNOWN:
        yield make(ANYWHERE)


def _delete(call: Call, make: Make) -> Made:
    yield make(call.given, "absent" if _told(call) is False else _answer(call))


def _change(call: Call, make: Make) -> Made:
    """Cancel and retry, which are given an id."""
    if _answer(call) != "nothing":
        yield make(call.given, told=_facts(_told(call)))


def _update(call: Call, make: Make) -> Made:
    given, answer = Facts._make(call.given), _answer(call)
    if answer in (DONE, UNKNOWN, "absent", "stale"):
        yield make(given.id, given=given, told=_facts(_told(call)))


_SPLIT: dict[str, Callable[[Call, Make], Made]] = {
    "enqueue": _enqueue,
    "read": _read,
    "claim": _claim,
    "rescue": _rescue,
    "purge": _purge,
    "finish": _finish,
    "release": _release,
    "renew": _renew,
    "lock": _hold,
    "unlock": _hold,
    "expire": _of_many,
    "cancel_many": _of_many,
    "retry_many": _of_many,
    "issue": lambda call, make: iter(()),
    "delete": _delete,
    "cancel": _change,
    "retry": _change,
    "update": _update,
}

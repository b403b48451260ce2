"""Where an operation is not one atomic step, and what its answer may be then; nothing else may.

Each allowance needs its reason in the schedule itself: a call of another hand that changed
something between two calls of the operation. Hands that come one after the other get none.
"""

from collections.abc import Iterable, Sequence

import attrs

from ...seam.rows import Row, Verdict
from ...values.job import Job
from ...values.times import from_micros
from .operations import Act
from .turns import Call

READ_THEN_WRITE = ("cancel", "retry", "update", "start")


def instead(names: Sequence[str], calls: Sequence[Call]) -> list[dict[int, Act]]:
    """Which operations may count as another: first none, then those that an allowance names.

    *A rescue may pass an orphan over* whose record another hand changed between the rescue's look
    and its write. The next rescue takes it.
    """
    passed: dict[int, Act] = {
        hand: _passes_over
        for hand, name in enumerate(names)
        if name == "rescue" and _was_passed(hand, calls)
    }
    return [{}, passed] if passed else [{}]


def _passes_over(storage: object, start: object) -> list[Job]:
    return []


def _was_passed(hand: int, calls: Sequence[Call]) -> bool:
    refused = [
        at
        for at, call in enumerate(calls)
        if call.hand == hand and call.verb == "swap" and Verdict.STALE in call.answer
    ]
    return any(_changed_since(hand, "scan", at, calls) for at in refused)


def allowed(name: str, hand: int, expected: object, found: object, calls: Sequence[Call]) -> object:
    """The answer ``found``, with what an allowance lets differ from ``expected`` made equal.

    *The lease in an answer is the one that was read*: leases and locks do not raise the version,
    so an operation that reads a record and then writes it may find them changed, and answers with
    the record it read.
    """
    if not name.endswith(READ_THEN_WRITE):
        return found
    if not (isinstance(expected, Job) and isinstance(found, Job)):
        return found
    for at in range(len(calls) - 1, -1, -1):
        if calls[at].hand == hand and calls[at].verb == "swap":
            read = _changed_since(hand, "load", at, calls)
            if read is not None and found.lease_expires_at == _lease(read.answer):
                return attrs.evolve(found, lease_expires_at=expected.lease_expires_at)
            break
    return found


def _lease(rows: Iterable[Row | None]) -> object:
    [row] = rows
    return from_micros(row.lease_until) if row and row.lease_until is not None else None


def _changed_since(hand: int, verb: str, at: int, calls: Sequence[Call]) -> Call | None:
    """The hand's last call of the verb before ``at``, if another hand changed something since."""
    changed = False
    for call in reversed(calls[:at]):
        if call.hand == hand and call.verb == verb:
            return call if changed else None
        changed |= call.hand != hand and has_effect(call)
    return None


def has_effect(call: Call) -> bool:
    """Whether the call changed anything."""
    match call.verb:
        case "swap" | "hold":
            return isinstance(call.answer, list) and Verdict.DONE in call.answer
        case "let_go":
            return call.answer is Verdict.DONE
        case "insert":
            return bool(getattr(call.answer, "seqs", ()))
        case "claim":
            return bool(getattr(call.answer, "rows", ()))
        case "erase":
            return isinstance(call.answer, int) and call.answer > 0
    return False

"""Where an operation is not one atomic step, and what its answer may be then; nothing else may.

Each allowance needs its reason in the schedule itself: a call of another hand that changed
something between two calls of the operation. Hands that come one after the other get none.
"""

from collections.abc import Sequence

import attrs

from ...seam.codec import decode_job
from ...seam.notes import decode
from ...seam.rows import Row, Verdict
from ...values.job import Job
from ...values.times import from_micros
from .operations import Act
from .trials import Run
from .turns import Call

READ_THEN_WRITE = ("cancel", "retry", "update", "start")
ENDS = (" succeed", " fail", " retry later", " release")


def instead(names: Sequence[str], calls: Sequence[Call]) -> list[dict[int, Act]]:
    """Which operations may count as another: first none, then those that an allowance names.

    *A rescue may pass an orphan over* whose record another hand changed between the rescue's look
    and its write; so may the end of what has expired. The next one takes it.
    """
    passed: dict[int, Act] = {
        hand: _passes_over
        for hand, name in enumerate(names)
        if name in ("rescue", "expire") and _was_passed(hand, calls)
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


def allowed(run: Run, hand: int, expected: object) -> object:
    """The answer of a hand, with what an allowance lets differ from ``expected`` made equal.

    *The lease and the notes in an answer are those that were read*: leases, locks and notes do not
    raise the version, so an operation that reads a record and then writes it may find them changed,
    and answers with the record it read. The end of a claim answers with the notes of the claim.
    *An enqueue of a job that comes after others tells the record as it is then*: what it waits for
    may have ended between its insert and its look, and others may have gone on from there.
    """
    name, found = run.case.operations[hand], run.ending.answers[hand]
    if not (isinstance(expected, Job) and isinstance(found, Job)):
        return found
    if name.startswith(("enqueue child", "enqueue after")) and _looked_late(found, hand, run.calls):
        return expected
    if (claim := _ended(name, run)) is not None and found.notes == claim.notes:
        return attrs.evolve(found, notes=expected.notes)
    if name.endswith(READ_THEN_WRITE) and _is_as_read(found, _read(hand, run.calls)):
        return attrs.evolve(found, lease_expires_at=expected.lease_expires_at, notes=expected.notes)
    return found


def _looked_late(found: Job, hand: int, calls: Sequence[Call]) -> bool:
    """Whether the hand read this after another hand had changed something since its insert."""
    looks = [at for at, call in enumerate(calls) if call.hand == hand and call.verb == "load"]
    [row] = calls[looks[-1]].answer
    late = _changed_since(hand, "insert", looks[-1], calls) is not None
    return late and row is not None and decode_job(row) == found


def _ended(name: str, run: Run) -> Job | None:
    """The claim that an operation of this name ends."""
    for end in ENDS:
        if name.endswith(end):
            return run.start.claims.get(name.removesuffix(end))
    return None


def _read(hand: int, calls: Sequence[Call]) -> Row | None:
    """What a hand read before its last write, if another hand changed something in between."""
    writes = [at for at, call in enumerate(calls) if call.hand == hand and call.verb == "swap"]
    read = _changed_since(hand, "load", writes[-1], calls) if writes else None
    return read.answer[0] if read is not None else None


def _is_as_read(found: Job, row: Row | None) -> bool:
    if row is None:
        return False
    lease = None if row.lease_until is None else from_micros(row.lease_until)
    return (found.lease_expires_at, found.notes) == (lease, decode(row.notes))


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
        case "tally":
            _, more, _ = call.order
            return more is not None
    return False

"""All jobs as one queue: what went in must come out, once at a time, and nothing else.

After Jepsen's checker "total-queue": lost, unexpected, doubled. It is a second opinion: simpler
than the search for an order, blind to much that this sees, and its words need no explanation.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from ...values.states import WAITING, StateKind
from .keeping import KeptBack
from .operation import DONE, UNKNOWN, Operation, Operations

UNFINISHED = WAITING | {StateKind.PROCESSING}

Rule = Callable[[Sequence[Operation], Sequence[Operation]], Iterator[str]]
"""From a job's operations, and those that may have touched any job, to what is wrong."""


def faults(operations: Operations, *, drained: bool) -> Iterator[tuple[str, str]]:
    """Of each job that went wrong, its id and a few words."""
    rules = (lost, unexpected, doubled, unclaimed)
    for job, ops in operations.by_job.items():
        for rule in rules:
            yield from ((job, words) for words in rule(ops, operations.anywhere))
    yield from halved(operations)
    if drained:
        yield from left(operations)


def lost(ops: Sequence[Operation], anywhere: Sequence[Operation]) -> Iterator[str]:
    """Acknowledged, never removed, and not there at the end."""
    known = any(op.verb == "enqueue" and op.answer in (DONE, "exists") for op in ops)
    if known and _gone(ops) and not any(op.verb == "purge" for op in anywhere):
        yield "was acknowledged, and is lost"


def _gone(ops: Sequence[Operation]) -> bool:
    """Whether the final store does not hold it, though nobody removed it by its id."""
    absent = any(op.verb == "final" and op.answer == "absent" for op in ops)
    return absent and not any(op.verb == "delete" for op in ops)


def unexpected(ops: Sequence[Operation], anywhere: Sequence[Operation]) -> Iterator[str]:
    """There before anybody had enqueued it, or though nobody ever did."""
    begun = min((op.began for op in ops if op.verb == "enqueue"), default=None)
    if any(op.told and (begun is None or op.ended < begun) for op in ops):
        yield "is there, and nobody had enqueued it"


def doubled(ops: Sequence[Operation], anywhere: Sequence[Operation]) -> Iterator[str]:
    """Given to a second hand while the first held it and nobody had ended its claim. A claim may
    have waited for the store: it counts from when it was answered."""
    claims = [(op, op.told) for op in ops if op.verb == "claim" and op.told]
    claims.sort(key=lambda claim: (claim[1].seq or 0, claim[1].fence))
    for (first, one), (second, two) in pairwise(claims):
        if (one.fence, one.seq) == (two.fence, two.seq):
            yield f"was given twice with fence {one.fence}"
        elif _until(ops, first) > second.late and not _freed(ops, anywhere, first, second):
            yield f"was given twice at once, to {first.worker!r} and to {second.worker!r}"


def _until(ops: Sequence[Operation], claim: Operation) -> int:
    """The end of a claim's lease, at the earliest: a renewal may also have made it shorter, or a
    lock by its worker."""
    assert claim.told is not None
    assert claim.told.until is not None
    renewals = [op.early + op.lease for op in ops if op.verb in ("renew", "lock")]
    return min([claim.told.until, *renewals])


def _freed(
    ops: Sequence[Operation], anywhere: Sequence[Operation], first: Operation, second: Operation
) -> bool:
    """Whether somebody may have ended the first claim before the second was made."""
    verbs = ("finish", "release", "unlock", "update", "delete")
    ends = [op for op in ops if op.verb in verbs and op.answer in (DONE, UNKNOWN)]
    ends += [op for op in anywhere if op.verb == "end_claims" and op.worker == first.worker]
    return any(op.began <= second.ended and op.ended >= first.began for op in ends)


def unclaimed(ops: Sequence[Operation], anywhere: Sequence[Operation]) -> Iterator[str]:
    """Finished by a hand that nobody had given it to."""
    given = {(op.worker, op.told.fence) for op in ops if op.verb == "claim" and op.told}
    others = {op.worker for op in (*ops, *anywhere) if op.verb in ("claim", "lock") and not op.told}
    others |= {op.given.worker for op in ops if op.given}  # stored as processing
    for op in ops:
        ends = op.verb in ("finish", "release") and op.answer == DONE
        if ends and (op.worker, op.fence) not in given and op.worker not in others:
            yield f"was finished by {op.worker!r} with fence {op.fence}, and never claimed so"


def left(operations: Operations) -> Iterator[tuple[str, str]]:
    """Not done at the end, though it was due and nothing that jobs share kept it back."""
    kept = KeptBack(operations)
    for job, ops in operations.by_job.items():
        for op in ops:
            if op.verb == "final" and op.told and op.told.kind in UNFINISHED:
                later = op.told.due is not None and op.told.due > op.late
                if not later and not kept.at_the_end(op):
                    yield job, f"was left {op.told.kind}"


def halved(operations: Operations) -> Iterator[tuple[str, str]]:
    """Of one call, of which nobody heard the end, some jobs were stored and some were not."""
    calls: dict[tuple[tuple[str, int], ...], list[str]] = defaultdict(list)
    for job, ops in operations.by_job.items():
        given = [
            op
            for op in ops
            if op.verb == "enqueue" and op.answer in (DONE, UNKNOWN) and not op.alone
        ]
        if any(op.answer == UNKNOWN for op in given):
            calls[tuple((op.process, op.number) for op in given)].append(job)
    for jobs in calls.values():
        there = [job for job in jobs if any(op.told for op in operations.by_job[job])]
        gone = [job for job in jobs if job not in there and _gone(operations.by_job[job])]
        if there and gone and not any(op.verb == "purge" for op in operations.anywhere):
            yield gone[0], f"is not there, and job {there[0]} of the same call is"

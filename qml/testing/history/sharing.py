"""What jobs share: limits, rates, queues that are paused, batches, and the ends of others.

Jobs are judged one by one elsewhere, which cannot see that two of them ran at once. Here are
rules over all of them. Each speaks of what is certain whatever the order: a lease that lives by
every clock, a pause that nobody may have ended, a job that nothing can have ended yet. So what
nobody heard the end of speaks for the storage; and that a job was *not* claimed is no fault.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...values.states import FINAL, WAITING
from .facts import NO_TIES, Ties
from .operation import DONE, NEVER, UNKNOWN, Operation, Operations

Faults = Iterator[tuple[str, str]]


def faults(operations: Operations) -> Faults:
    """Of each job that was claimed against what it shares, its id and a few words."""
    yield from over_limit(operations)
    yield from too_fast(operations)
    yield from while_paused(operations)
    yield from too_early(operations)


def ties(op: Operation) -> Ties:
    """What the job shares, by what the operation told of it or was given."""
    facts = op.told or op.given
    return (facts and facts.ties) or NO_TIES


def claims(operations: Operations) -> Iterator[Operation]:
    """All that were answered."""
    for ops in operations.by_job.values():
        yield from (op for op in ops if op.verb == "claim" and op.told is not None)


# -- limits ----------------------------------------------------------------------------------------


class Spell(NamedTuple):
    """A time in which a claim lives for sure: from ``ended``, by the steady counter, to ``over``,
    when somebody may have ended it, and by the storage's clock to ``until``."""

    job: str
    began: int
    ended: int
    late: int
    over: int
    until: int
    limit: int
    renewed: bool


def over_limit(operations: Operations) -> Faults:
    """Claimed, or a lapsed claim renewed, while as many of its key as may be were live for sure."""
    by_key: dict[str | None, list[Spell]] = defaultdict(list)
    for job, ops in operations.by_job.items():
        for key, spell in _spells(job, ops, operations.anywhere):
            by_key[key].append(spell)
    for key, spells in by_key.items():
        yield from _at_once(key, sorted(spells, key=lambda spell: spell.ended))


def _at_once(key: str | None, spells: Sequence[Spell]) -> Faults:
    """At the moment of each reply: so many live by every clock that the last of them, whichever it
    was, cannot have had a permit."""
    live: list[Spell] = []
    for spell in spells:
        live = [one for one in live if one.over > spell.ended] + [spell]
        there = [one for one in live if one.until > spell.late and one.over > spell.ended]
        jobs = sorted({one.job for one in there})
        if spell in there and len(jobs) > _most(there):
            names = ", ".join(jobs)
            yield spell.job, f"had a permit of {key!r}, of which too many lived at once: {names}"


def _most(there: Sequence[Spell]) -> int:
    """The highest limit among those that may have come last. A renewal may be of a claim that never
    lapsed: then which claim was the last is not known."""
    latest = max(spell.began for spell in there)
    known = not any(spell.renewed for spell in there)
    return max(spell.limit for spell in there if not known or spell.ended >= latest)


ENDING = (
    *("finish", "release", "unlock", "lock", "update", "replace", "delete", "rescue"),
    *("claim", "expire"),
)
"""Operations after which a claim may be over, or another's, or under another limit."""


def _spells(
    job: str, ops: Sequence[Operation], anywhere: Sequence[Operation]
) -> Iterator[tuple[str | None, Spell]]:
    given = {(op.worker, op.told.fence): op for op in ops if op.verb == "claim" and op.told}
    limits = {hand: ties(op) for hand, op in given.items() if ties(op).key is not None}
    if not limits:
        return
    renewals = [op for op in ops if op.verb == "renew" and op.answer in (DONE, UNKNOWN)]
    for op in (*given.values(), *(one for one in renewals if one.answer == DONE)):
        fence = op.told.fence if op.told else op.fence
        limit = limits.get((op.worker, fence))
        if limit is None or limit.limit is None:
            continue
        until = op.early + op.lease if op.told is None else op.told.until or 0
        later = [one.early + one.lease for one in renewals if one.ended >= op.began]
        over = _over(op, ops, anywhere)
        spell = Spell(
            *(job, op.began, op.ended, op.late, over, min([until, *later])),
            limit=limit.limit,
            renewed=op.verb == "renew",
        )
        yield limit.key, spell


def _over(op: Operation, ops: Sequence[Operation], anywhere: Sequence[Operation]) -> int:
    """When somebody may have ended the claim. What nobody heard of may have: a rescue only if it
    has lapsed, a purge only if it was cancelled, the end of a worker's claims if it is his."""
    ends = [one for one in ops if one.verb in ENDING and one is not op]
    ends += [one for one in anywhere if one.verb == "end_claims" and one.worker == op.worker]
    if any(one.verb in ("cancel", "cancel_many") for one in (*ops, *anywhere)):
        ends += [one for one in anywhere if one.verb == "purge"]
    return min((one.began for one in ends if one.ended >= op.began), default=NEVER)


# -- rates -----------------------------------------------------------------------------------------


def too_fast(operations: Operations) -> Faults:
    """Claimed sooner than its rate allows, whatever the order of the claims.

    Of k claims the last comes (k - burst) gaps after the first, at least. A store forgets a pace
    that is over by the clock of any claim, and claims may come to it later than they read their
    clocks. So each counts for its gap less the time its call took and the allowance: what a rate of
    many a second allows is not judged, if calls take as long as its gaps.
    """
    by_pace: dict[str | None, list[Operation]] = defaultdict(list)
    for op in claims(operations):
        by_pace[ties(op).pace].append(op)
    by_pace.pop(None, None)
    for pace, starts in by_pace.items():
        yield from _in_a_row(pace, sorted(starts, key=_start))


def _in_a_row(pace: str | None, starts: Sequence[Operation]) -> Faults:
    burst = max((ties(op).burst or 1) * (ties(op).gap or 0) for op in starts)
    time = 0
    for op in starts:
        slack = max(0, op.late - _start(op))
        time = max(time, _start(op)) + max(0, (ties(op).gap or 0) - slack)
        if time - _start(op) > burst:
            yield op.job, f"was claimed sooner than the rate of {pace!r} allows"


def _start(op: Operation) -> int:
    assert op.told is not None
    return op.told.since


# -- queues ----------------------------------------------------------------------------------------


def while_paused(operations: Operations) -> Faults:
    """Claimed from a queue that was paused, and that nobody can have resumed."""
    if operations.of_queues:
        for op in claims(operations):
            queue = op.told.queue if op.told else ""
            if any(_paused(operations.of_queues.get(queue, ()), op)):
                yield op.job, f"was claimed by {op.worker!r} from queue {queue}, which was paused"


def _paused(ops: Sequence[Operation], claim: Operation) -> Iterator[bool]:
    resumed = [op for op in ops if op.verb == "resume" and op.answer in (DONE, UNKNOWN)]
    for pause in ops:
        if pause.verb == "pause" and pause.answer == DONE and pause.ended < claim.began:
            yield not any(op.ended >= pause.began and op.began <= claim.ended for op in resumed)


# -- one after the other ---------------------------------------------------------------------------


def too_early(operations: Operations) -> Faults:
    """Claimed for the first time while what it comes after had not ended for sure: a job, or one of
    a batch that was there before it. Whether more of a batch were to come is not noted, and not
    judged."""
    members: dict[str | None, list[str]] = defaultdict(list)
    for job, ops in operations.by_job.items():
        for op in ops:
            if op.verb == "enqueue" and ties(op).batch is not None:
                members[ties(op).batch].append(job)
    for job, ops in operations.by_job.items():
        for op in ops:
            if op.verb == "claim" and ties(op).waits and _is_woken_by_others(op, ops, operations):
                yield from _unended(job, op, ops, members, operations)


def _is_woken_by_others(claim: Operation, ops: Sequence[Operation], operations: Operations) -> bool:
    """Whether nothing else can have made it claimable: it had not run before, and nobody touched
    it by hand."""
    by_hand = ("retry", "retry_many", "update", "delete")
    touched = any(
        op.verb in by_hand and op.answer in (DONE, UNKNOWN) and op.began <= claim.ended
        for op in (*ops, *operations.anywhere)
    )
    stored = [op.given for op in ops if op.verb == "enqueue"]
    waited = len(stored) == 1 and stored[0] is not None and stored[0].kind in WAITING
    first = claim.told is not None and claim.told.fence == 1
    return first and waited and not touched


def _unended(
    job: str,
    claim: Operation,
    ops: Sequence[Operation],
    members: dict[str | None, list[str]],
    operations: Operations,
) -> Faults:
    [stored] = [op for op in ops if op.verb == "enqueue"]
    of = ties(stored)
    parents = list(of.after) + (members[of.after_batch] if of.after_batch is not None else [])
    for parent in parents:
        before = stored.began if of.after_batch is not None else claim.began
        known = operations.by_job.get(parent, [])
        if parent != job and _is_unfinished(known, operations.anywhere, before, claim.ended):
            yield job, f"was claimed before job {parent} had ended, which it comes after"


UNHEARD_ENDS = ("rescue", "expire", "claim", "cancel_many")
"""Operations that may have ended any job, if nobody heard of them."""


def _is_unfinished(
    ops: Sequence[Operation], anywhere: Iterable[Operation], stored: int, until: int
) -> bool:
    """Whether a job was stored before, and nothing can have ended it by then."""
    new = [op for op in ops if op.verb == "enqueue"]
    there = len(new) == 1 and new[0].answer == DONE and new[0].ended < stored
    unheard = any(op.verb in UNHEARD_ENDS and op.began <= until for op in anywhere)
    return there and not unheard and not any(op.began <= until and may_end(op) for op in ops)


HARMLESS = ("enqueue", "read", "claim", "renew", "lock", "unlock", "release", "retry")
"""Operations that end no job, but may show one that has ended."""


def may_end(op: Operation) -> bool:
    """Whether the job may have ended by this operation, or before it."""
    shown = op.told or op.given
    if shown is not None and shown.kind in FINAL:
        return True
    if op.verb == "finish":
        return op.kind in FINAL
    if op.verb == "rescue":
        return op.answer == UNKNOWN
    return op.verb not in HARMLESS or op.answer == "absent"

"""Unique keys: that no two jobs hold one at the same moment.

As with all that jobs share, what is judged is certain whatever the order of the calls: a job holds
its key for sure from the reply that stored it until somebody may have ended it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...values.states import FINAL, WAITING
from .facts import NO_TIES, Ties
from .operation import DONE, NEVER, Operation, Operations
from .sharing import UNHEARD_ENDS, Faults, may_end


class Spell(NamedTuple):
    """A job was stored with its key between ``began`` and ``ended``, and holds it for sure from
    then to ``over``, by the steady counter."""

    job: str
    began: int
    ended: int
    over: int


def held_twice(operations: Operations) -> Faults:
    """Stored with a key that another job held for sure, from before until after."""
    by_key: dict[str | None, list[Spell]] = defaultdict(list)
    for job, ops in operations.by_job.items():
        for op in ops:
            if op.verb == "enqueue" and op.answer == DONE and _takes_its_key(op):
                over = _over(op, ops, operations.anywhere)
                by_key[_asked(op).unique].append(Spell(job, op.began, op.ended, over))
    for key, spells in by_key.items():
        for job, holder in _twice(sorted(spells, key=lambda spell: spell.ended)):
            yield job, f"was stored with the unique key {key!r}, which job {holder} held"


def _twice(spells: Sequence[Spell]) -> Iterator[tuple[str, str]]:
    live: list[Spell] = []
    for spell in spells:
        live = [one for one in live if one.over > spell.ended]
        for one in live:
            both = spell.over > spell.ended or one.ended < spell.began
            if one.job != spell.job and both:
                yield spell.job, one.job
                break
        live.append(spell)


def _asked(op: Operation) -> Ties:
    """What the job shares, as it was given: a store may have forgotten its key."""
    facts = op.given or op.told
    return (facts and facts.ties) or NO_TIES


def _takes_its_key(op: Operation) -> bool:
    shown = op.told or op.given
    if shown is None or _asked(op).unique is None:
        return False
    return shown.kind in WAITING if _asked(op).while_queued else shown.kind not in FINAL


def _over(op: Operation, ops: Sequence[Operation], anywhere: Sequence[Operation]) -> int:
    """When somebody may have ended the job, or begun it where that frees its key. One that comes
    after others may end as soon as they do."""
    if _asked(op).waits:
        return op.ended
    queued = _asked(op).while_queued
    ends = [one for one in ops if one is not op and (may_end(one) or (queued and _begins(one)))]
    ends += [one for one in anywhere if one.verb in UNHEARD_ENDS]
    return min((one.began for one in ends if one.ended >= op.began), default=NEVER)


def _begins(op: Operation) -> bool:
    return op.verb in ("claim", "lock")

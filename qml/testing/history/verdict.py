"""The verdict on a history: what is wrong with it, and how much there was to judge."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs

from . import queue, sharing, uniqueness
from .journal import Call
from .linearize import Contradiction, Undecided, linearize
from .operation import UNKNOWN, Operations
from .splitting import split
from .story import tell

ALLOWANCE = 0.2
"""Seconds by which the clocks of two processes may differ: each sets its own by half a round trip
to the store."""

TOLD = 20
"""Jobs of which the shortest story is told; of further ones only that they went wrong."""


@attrs.frozen
class Verdict:
    """``faults``: sentences, each about one job, a contradicting story below it; [] = the history
    is one that the contract allows. The rest says how much was judged, so that a verdict on too
    little is seen as such: calls in all, those of which nobody heard the end, jobs, claims and
    finishes that were acknowledged, processes; ``undecided``: jobs with more possible orders than
    were looked at, in which no fault was found.
    """

    faults: list[str]
    operations: int
    unknown: int
    jobs: int
    claims: int
    finishes: int
    processes: int
    undecided: int


def judge(calls: Sequence[Call], *, drained: bool, allowance: float) -> Verdict:
    """Judge all jobs, each for itself and together."""
    micros = round(allowance * 1e6)
    operations = split(calls, micros)
    stories, undecided = _contradictions(operations, min((c.began for c in calls), default=0))
    words: dict[str, list[str]] = defaultdict(list)
    together = (*sharing.faults(operations), *uniqueness.held_twice(operations))
    for job, fault in (*queue.faults(operations, drained=drained), *together):
        words[job].append(fault)
    faults = [
        "\n".join([_headline(job, words.get(job, ())), *stories.get(job, ())])
        for job in sorted(stories.keys() | words.keys())
    ]
    return Verdict(
        faults=[*faults, *_clocks_apart(calls, micros)],
        operations=len(calls),
        unknown=sum(call.reply is None or call.reply.get("error") == UNKNOWN for call in calls),
        jobs=len(operations.by_job),
        claims=_count(operations, "claim"),
        finishes=_count(operations, "finish"),
        processes=len({call.process for call in calls}),
        undecided=undecided,
    )


def _headline(job: str, words: Sequence[str]) -> str:
    return f"job {job} " + ("; ".join(words) or "has a history that cannot be")


def _contradictions(operations: Operations, begin: int) -> tuple[dict[str, list[str]], int]:
    """The stories of the jobs for which there is no order, and how many were not decided."""
    stories: dict[str, list[str]] = {}
    undecided = 0
    for job, ops in operations.by_job.items():
        found = linearize(ops, operations.anywhere)
        undecided += isinstance(found, Undecided)
        if isinstance(found, Contradiction):
            full = len(stories) < TOLD
            story = tell(ops, operations.anywhere, begin) if full else [found.why]
            stories[job] = [f"  {line}" for line in story]
    return stories, undecided


def _count(operations: Operations, verb: str) -> int:
    return sum(
        op.verb == verb and op.told is not None for ops in operations.by_job.values() for op in ops
    )


def _clocks_apart(calls: Sequence[Call], allowance: int) -> Iterator[str]:
    """Two processes that saw different storage times at one moment: one clock does not decide."""
    shown = [(call.began, call.early - call.began, call.process) for call in calls]
    shown.sort()
    named = set()
    for (_, one, first), (_, two, second) in pairwise(shown):
        pair = frozenset((first, second))
        if len(pair) == 2 and abs(one - two) > allowance and pair not in named:
            named.add(pair)
            apart = f"{abs(one - two) / 1e6:.3f} s apart"
            yield f"at one moment the storage's clock showed {first} and {second} times {apart}"

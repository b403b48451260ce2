"""Jobs that follow on the ends of others: each is told of at every end that is sent again."""

from collections.abc import Sequence

from .operation import DONE, Operation

FOLLOWED = ("finish", "finish_in", "rescue")
"""Calls upon which others are enqueued."""


def followed_once(ops: list[Operation], unheard: Sequence[Operation]) -> list[Operation]:
    """The operations of a job. One that follows is there since one of the ends that told of it, or
    since one that was sent before and that nobody heard of (``unheard``). Those after the first
    stored it if it had been removed meanwhile, or did nothing."""
    told = [op for op in ops if op.verb == "enqueue" and op.alone and op.answer == DONE]
    if not told:
        return ops
    told.sort(key=lambda op: op.ended)
    perhaps = [*told, *unheard]
    began, early = min(op.began for op in perhaps), min(op.early for op in perhaps)
    others = [op for op in ops if op not in told]
    first = told[0]._replace(began=began, early=early)
    return [*others, first, *(op.forgotten() for op in told[1:])]

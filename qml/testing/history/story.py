"""The shortest contradicting story of a job, told in the order of time."""

from collections.abc import Sequence

from .linearize import Contradiction, linearize
from .operation import DONE, UNKNOWN, Operation

PATIENCE = 60
"""The last so many operations of a job, among which the shortest story is looked for."""

QUICK = 1_000
"""Configurations that each look for a shorter story may take."""

Story = list[str]


def tell(ops: Sequence[Operation], anywhere: Sequence[Operation], begin: int) -> Story:
    """Lines: one for each operation that the contradiction needs and for each that nobody heard
    the end of, then why it is one. ``begin``: the steady counter when the history began."""
    needed, forgotten = shortest(ops, anywhere)
    found = linearize([*needed, *forgotten], anywhere)
    lines = [_line(op, begin) for op in sorted(needed, key=lambda op: op.began)]
    if isinstance(found, Contradiction):
        at = _seconds(found.last.began - begin)
        lines.append(f"the {found.last.verb} at {at} cannot be: {found.why}")
    return lines


def shortest(
    ops: Sequence[Operation], anywhere: Sequence[Operation]
) -> tuple[list[Operation], list[Operation]]:
    """What the contradiction needs; and all that may be forgotten: it stays the same even if nobody
    had heard those replies, and the calls had their effects or not."""
    found = linearize(ops, anywhere)
    if not isinstance(found, Contradiction):
        return list(ops), []
    needed = sorted((op for op in ops if op.began <= found.last.ended), key=lambda op: op.began)
    forgotten: list[Operation] = []
    for op in reversed(needed[-PATIENCE:]):
        if op.answer != UNKNOWN:
            fewer = [other for other in needed if other is not op]
            more = [*forgotten, *([op.forgotten()] if _may_have_changed(op) else [])]
            if linearize([*fewer, *more], anywhere, QUICK) == found:
                needed, forgotten = fewer, more
    return needed, forgotten


_CHANGES = (
    "enqueue", "claim", "finish", "release", "renew", "lock", "unlock", "rescue", "cancel", "retry",
    "update", "delete", "replace",
)  # fmt: skip
"""What may have changed the job if nobody had heard the reply; a refusal changes nothing."""


def _may_have_changed(op: Operation) -> bool:
    ends_a_cancelled_run = op.verb in ("finish", "release") and op.answer == "lost"
    return ends_a_cancelled_run or (op.verb in _CHANGES and op.answer == DONE)


def _line(op: Operation, begin: int) -> str:
    asked = " ".join(filter(None, (op.verb, op.kind, _by(op))))
    lease = f" for {_seconds(op.lease)}" if op.lease else ""
    return f"{_seconds(op.began - begin):>12}, process {op.process}: {asked}{lease}: {_answer(op)}"


def _by(op: Operation) -> str:
    if op.worker is None:
        return ""
    return f"by {op.worker!r}" + (f" with fence {op.fence}" if op.fence else "")


def _answer(op: Operation) -> str:
    if op.answer == UNKNOWN:
        return "no answer"
    if op.told is None:
        return op.answer
    told = op.told
    shown = f"{told.kind}, version {told.version}, fence {told.fence}, attempt {told.attempt}"
    if told.outcome:
        shown += f", {told.outcome}"
    if told.due:
        shown += f", due {_seconds(told.due - op.early)} later"
    return shown


def _seconds(micros: int) -> str:
    return f"{micros / 1e6:.6f} s"

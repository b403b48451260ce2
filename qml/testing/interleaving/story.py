"""A faulty schedule told as a story: who did what, and what should have come of it."""

from collections.abc import Iterator, Sequence
from typing import Any

from ...seam.rows import (
    Available,
    Claim,
    Claimed,
    Expired,
    Finished,
    Hold,
    Inserted,
    Lapsed,
    Move,
    Overdue,
    Page,
    Record,
    Rewrite,
    Row,
    Verdict,
    Write,
)
from ..compare import brief
from .judging import Fault, Mismatch
from .schedules import HANDS
from .trials import Ending, Run
from .turns import Call


def told(fault: Fault) -> str:
    """The story of a fault, in lines."""
    return "\n".join(_lines(fault))


def _lines(fault: Fault) -> Iterator[str]:
    run = fault.run
    yield fault.law or f"no order of the {len(run.case.operations)} operations gives this"
    yield f"situation {run.case.situation.name}: {run.case.situation.text}"
    yield from _hands(run.case.operations)
    yield "schedule"
    yield from (f"  {line}" for line in steps(run))
    yield from _ending("what came of it", run.case.operations, run.ending)
    for mismatch in fault.mismatches:
        yield from _mismatch(run, mismatch)
    yield f'again: qml.testing.replay(make_storage, "{run.schedule}")'


def _hands(names: Sequence[str]) -> Iterator[str]:
    for hand, name in zip(HANDS, names, strict=False):
        yield f"  {hand}  {name}"


def _mismatch(run: Run, mismatch: Mismatch) -> Iterator[str]:
    order = " then ".join(HANDS[hand] for hand in mismatch.order)
    yield from _ending(f"{order} would have given", run.case.operations, mismatch.ending)
    yield f"  it differs in {mismatch.text}"


def _ending(title: str, names: Sequence[str], ending: Ending) -> Iterator[str]:
    yield title
    for hand, name, answer in zip(HANDS, names, ending.answers, strict=False):
        yield f"  {hand} {name}: {brief(answer)}"
    holders = {kept.job: kept.holder for kept in ending.kept if kept.holder}
    for job in ending.records:
        held = f", held by {holders[job.id]}" if job.id in holders else ""
        yield f"  in the store: {brief(job)}{held}"
    for schedule in ending.schedules:
        paused = ", paused" if schedule.paused else ""
        yield f"  in the store: schedule {schedule.name}{paused}, next at {schedule.next_slot}"
    if not ending.records and not ending.schedules:
        yield "  in the store: nothing"


def steps(run: Run) -> list[str]:
    """The calls of a run, one a line."""
    return [
        f"{HANDS[call.hand]} {run.case.operations[call.hand]}: {_order(call)} -> {_answer(call)}"
        for call in run.calls
    ]


def _order(call: Call) -> str:
    return f"{call.verb} {_words(call.order)}".rstrip()


def _words(order: Any) -> str:
    """What a driver is asked, in a few words."""
    match order:
        case Claim():
            return f"for {order.worker}"
        case Move():
            lapsed = " if its lease is over" if order.lapsed_by is not None else ""
            return f"{order.id}, if version {order.version}, to {order.state}{lapsed}"
        case Rewrite():
            return f"{order.row.id}, if version {order.version}, anew as {order.row.state}"
        case Hold():
            by = "" if order.fence is None else f", if fence {order.fence}"
            return f"{order.id} for {order.worker}{by}"
        case Row():
            return order.id
        case Finished():
            return f"{order.state} long ago"
        case Available() | Lapsed() | Overdue() | Expired() | Page():
            return type(order).__name__.lower()
        case Write():
            return f"{order.name}, if version {order.expected}"
        case [str(job_id), str(worker), int(), *_]:
            return f"{job_id} of {worker}"
        case list() | tuple():
            return "; ".join(filter(None, map(_words, order)))
    return "" if order is None else str(order)


def _answer(call: Call) -> str:
    match call.answer:
        case Verdict():
            return call.answer.name
        case Claimed():
            return _rows(call.answer.rows)
        case Inserted():
            taken = [f"{one.by} taken by {one.holder}" for one in call.answer.obstacles]
            return ", ".join(taken) or "stored"
        case Record():
            return f"version {call.answer.version}"
        case [Record(), *_]:
            return ", ".join(f"{one.name}, version {one.version}" for one in call.answer)
        case [Verdict(), *_]:
            return ", ".join(verdict.name for verdict in call.answer)
        case list():
            return _rows(call.answer)
    return repr(call.answer) if isinstance(call.answer, Exception) else str(call.answer)


def _rows(rows: Sequence[Row | None]) -> str:
    if not rows:
        return "nothing"
    return "; ".join(
        f"{row.id} ({row.state}, version {row.version}, fence {row.fence})" if row else "no row"
        for row in rows
    )

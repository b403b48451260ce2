"""Jobs: those that the address asks for, page by page."""

from collections.abc import Sequence
from datetime import datetime

import attrs
from flask import Response, request

from ...cli import describing
from ...values.job import Job
from ...values.states import Processing, StateKind
from .. import answering, filters, tallies, walking
from ..board import Board
from ..redaction import Shown

SIZES = (20, 50, 100, 200)


@attrs.frozen
class Line:
    """A job in a list: what may be shown of it, and a ``note``, such as what keeps it back."""

    job: Job
    shown: Shown
    note: str

    @property
    def progress(self) -> float | None:
        """How far its run is, 0 to 1; None where nothing was said, or nothing runs."""
        told, state = self.job.notes.progress, self.job.state
        if told is None or not isinstance(state, Processing) or told.at < state.started_at:
            return None
        return min(max(told.fraction, 0.0), 1.0)


def lines(board: Board, jobs: Sequence[Job], now: datetime) -> list[Line]:
    """Jobs as lists show them."""
    back = board.storage.kept_back(jobs)
    found = []
    for job, kept_back in zip(jobs, back, strict=True):
        shown = board.shown(job)
        found.append(Line(job, shown, shown.text(kept_back or describing.note(job, now))))
    return found


def jobs(board: Board) -> Response:
    """The page."""
    asked = filters.asked(request.args)
    limit = filters.number(request.args, "limit", 50, SIZES)
    found = walking.page(board, asked, limit, _after())
    now = board.storage.now()
    return answering.page(
        board,
        "jobs.html",
        asked=asked,
        limit=limit,
        sizes=SIZES,
        found=found,
        first=_after() is None,
        lines=lines(board, found.jobs, now),
        kinds=list(StateKind),
        queues=tallies.names(board),
    )


def _after() -> int | None:
    text = request.args.get("after", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

"""The overview: how much there is to do, how it goes, who does it, what failed."""

from flask import Response, request

from ...seam.codec import decode_job
from ...seam.rows import Page
from ...values.states import StateKind
from .. import activity, answering, waiting
from ..board import Board
from .jobs import lines
from .servers import described

FAILURES = 8
"""Failures that are listed."""


def overview(board: Board) -> Response:
    """The page."""
    storage, now = board.storage, board.storage.now()
    failed = Page((StateKind.FAILED.value,), limit=FAILURES)
    failures = board.looks.at(
        "failures", lambda: list(map(decode_job, storage.driver.scan(failed)))
    )
    oldest = waiting.longest(board)
    return answering.page(
        board,
        "overview.html",
        activity=_activity(board),
        spans=activity.SPANS,
        oldest=lines(board, [oldest.job], now)[0] if oldest else None,
        since=oldest.since if oldest else None,
        servers=described(board),
        failures=lines(board, failures, now),
    )


def _activity(board: Board) -> activity.Activity:
    span = request.args.get("span", "1h")
    span = span if span in activity.SPANS else "1h"
    minutes = activity.MINUTES[span][0]
    found = board.looks.at(("activity", span), lambda: board.storage.activity(minutes))
    return activity.activity(found, span)

"""Batches: how far those are that were at work lately, or one that is named."""

from flask import Response, request

from ...seam.rows import Page
from ...storage.batches import BatchProgress, progress
from .. import answering
from ..board import Board

LOOKED_AT = 500
"""Of the newest jobs so many are looked at for the batches that they are of."""

LISTED = 30


def batches(board: Board) -> Response:
    """The page."""
    name = request.args.get("batch", "").replace("\0", "")
    names = [name] if name else board.looks.at("batches", lambda: _recent(board))
    found = [(one, _progress(board, one)) for one in names]
    return answering.page(board, "batches.html", batches=found, name=name, looked_at=LOOKED_AT)


def _recent(board: Board) -> list[str]:
    rows = board.storage.driver.scan(Page(limit=LOOKED_AT))
    return list(dict.fromkeys(row.batch for row in rows if row.batch))[:LISTED]


def _progress(board: Board, name: str) -> BatchProgress:
    return board.looks.at(("batch", name), lambda: progress(board.storage.driver, name))

"""Batches: how far they are, those that were at work lately first, then all by name."""

from collections.abc import Sequence

from flask import Response, request

from ...seam.rows import Page
from ...storage import batches as stored
from ...storage.batches import BatchProgress
from .. import answering
from ..board import Board

LOOKED_AT = 500
"""Of the newest jobs so many are looked at for the batches that they are of."""

LATELY = 10
"""Of these, that are listed before the others."""

LISTED = 30
"""Batches on a page, by name."""


def batches(board: Board) -> Response:
    """The page."""
    name, start = (request.args.get(key, "").replace("\0", "") for key in ("batch", "from"))
    names, following = ([name], None) if name else _by_name(board, start)
    lately = _lately(board) if following is not None and not start else []
    listed = lately + [other for other in names if other not in lately]
    return answering.page(
        board,
        "batches.html",
        batches=list(zip(listed, _progress(board, listed), strict=True)),
        lately=lately,
        name=name,
        start=start,
        following=following,
        looked_at=LOOKED_AT,
    )


def _by_name(board: Board, start: str) -> tuple[list[str], str | None]:
    """Those of a page, and with which the next one begins."""

    def ask() -> list[str]:
        return stored.names(board.storage.driver, start, LISTED + 1)

    found = board.looks.at(("batches", start), ask)
    return found[:LISTED], found[LISTED] if len(found) > LISTED else None


def _lately(board: Board) -> list[str]:
    def ask() -> list[str]:
        rows = board.storage.driver.scan(Page(limit=LOOKED_AT))
        return list(dict.fromkeys(row.batch for row in rows if row.batch))[:LATELY]

    return board.looks.at("batches", ask)


def _progress(board: Board, names: Sequence[str]) -> Sequence[BatchProgress | None]:
    """How far each is; None while they are still being counted, which takes long of large ones."""

    def ask() -> list[BatchProgress]:
        return [stored.progress(board.storage.driver, name) for name in names]

    return board.looks.soon(("progress", *names), ask) or [None] * len(names)

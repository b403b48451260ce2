"""Errors: what went wrong with jobs that failed or wait for a retry, grouped by what it was."""

from collections.abc import Iterable

import attrs
from flask import Response

from ...values.errorgroups import ErrorGroup
from ...values.job import Job
from .. import answering, faults
from ..board import Board

LOOKED_AT = 1_000
"""Of the newest jobs that went wrong so many are looked at."""


@attrs.frozen
class Line:
    """A group of errors, and what of it may be shown: its ``kind`` and ``message``, as the job
    ``group.newest`` has them."""

    group: ErrorGroup
    kind: str
    message: str

    @property
    def name(self) -> str:
        """By which its jobs are found."""
        return faults.name(self.kind, self.message)


def errors(board: Board) -> Response:
    """The page."""
    found = board.looks.at("errors", lambda: _lines(board))
    return answering.page(board, "errors.html", lines=found, looked_at=LOOKED_AT)


def _lines(board: Board) -> list[Line]:
    groups = board.storage.errors(limit=50, look_at_most=LOOKED_AT)
    newest = board.storage.get_many([group.newest for group in groups])
    return list(_told(board, zip(groups, newest, strict=True)))


def _told(board: Board, groups: Iterable[tuple[ErrorGroup, Job | None]]) -> Iterable[Line]:
    for group, job in groups:
        # Of a job that is gone, or has gone on, nobody can tell any more what was to be hidden.
        told = job and faults.told(board.shown(job))
        yield Line(group, *(told or (group.exception, "")))

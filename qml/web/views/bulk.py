"""Bulk changes: first a count and a question, then step by step."""

from typing import Any

from flask import Response, request

from ...values.errors import ConfigurationError
from .. import acting, answering, filters, paths, walking
from ..acting import Verb
from ..board import Board
from ..filters import Asked
from .jobs import lines

EXAMPLES = 5


def confirm(board: Board) -> Response:
    """The question about all jobs that an address asks for."""
    verb = acting.verb(request.args.get("verb", ""))
    return _question(board, verb, filters.asked(request.args))


def confirm_selected(board: Board) -> Response:
    """The question about jobs that were picked."""
    verb, ids = acting.verb(request.form.get("verb", "")), request.form.getlist("pick")
    if not ids:
        raise ConfigurationError("no job was picked; go back and tick some")
    return _question(board, verb, Asked(ids=filters.several(ids)))


def _question(board: Board, verb: Verb, asked: Asked) -> Response:
    asked = verb.within(asked)
    count = walking.count(board, asked, EXAMPLES)
    return answering.page(
        board,
        "confirm.html",
        verb=verb,
        asked=asked,
        count=count,
        lines=lines(board, count.newest, board.storage.now()),
        after=acting.newest(board),
        so_far=0,
    )


def change(board: Board) -> Response:
    """Do it; where it takes long, a part of it, and ask to go on."""
    verb = acting.verb(request.form.get("verb", ""))
    asked = verb.within(filters.asked(request.form))
    after, so_far = (_whole(name) for name in ("after", "so_far"))
    done = acting.carry_out(board, verb, asked, after)
    board.looks.forget()
    so_far += done.changed
    if done.after is not None:
        told: dict[str, Any] = {"verb": verb, "asked": asked, "so_far": so_far}
        return answering.page(board, "going_on.html", **told, after=done.after, done=done)
    message = f"{so_far:,} {'job was' if so_far == 1 else 'jobs were'} {verb.done}."
    if done.refused:
        message += f" {done.refused:,} refused: {done.why}"
    then = paths.to("jobs") if asked.ids else paths.to("jobs", **asked.parameters)
    return answering.done(board, message, then, well=not done.refused)


def _whole(name: str) -> int:
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0

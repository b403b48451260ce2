"""Queues: what is in them, and whether they are paused."""

from flask import Response, request

from ...values.errors import ConfigurationError
from .. import answering, paths, tallies
from ..board import Board


def queues(board: Board) -> Response:
    """The page."""
    return answering.page(board, "queues.html", queues=tallies.queues(board))


def change(board: Board) -> Response:
    """Pause a queue, or go on with it."""
    name, verb = request.form.get("name", ""), request.form.get("verb", "")
    if verb not in ("pause", "resume"):
        raise ConfigurationError(f"nothing can be done with a queue by the name of {verb!r}")
    if verb == "pause":
        board.storage.queues.pause(name)
        message = f"Queue {name} is paused; what runs goes on."
    else:
        gone_on = board.storage.queues.resume(name)
        message = f"Queue {name} goes on." if gone_on else f"Queue {name} was not paused."
    board.looks.forget()
    return answering.done(board, message, request.form.get("then", "") or paths.to("queues"))

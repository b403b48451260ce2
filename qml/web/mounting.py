"""The blueprint: what answers at which address, and what comes before and after each answer."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, request

from ..storage.storage import Storage
from ..values.errors import ConfigurationError, QmlError
from ..work.app import Qml
from . import answering, forms
from .board import Board
from .gate import gate_of
from .redaction import REDACTED, Redaction
from .refusing import Refusal
from .views import batches, bulk, entrance, errors, job, jobs, overview, queues, schedules, servers

View = Callable[[Board], Response]

LOOKING: dict[str, tuple[str, View]] = {
    "overview": ("/", overview.overview),
    "queues": ("/queues", queues.queues),
    "jobs": ("/jobs", jobs.jobs),
    "job": ("/job", job.job),
    "confirm": ("/jobs/confirm", bulk.confirm),
    "batches": ("/batches", batches.batches),
    "schedules": ("/schedules", schedules.schedules),
    "servers": ("/servers", servers.servers),
    "errors": ("/errors", errors.errors),
    "static_file": ("/static/<name>", entrance.static_file),
}
"""Pages, which change nothing, with their addresses."""

CHANGING: dict[str, tuple[str, View]] = {
    "change_queue": ("/queues/change", queues.change),
    "change_job": ("/job/change", job.change),
    "confirm_selected": ("/jobs/selected", bulk.confirm_selected),
    "change_jobs": ("/jobs/change", bulk.change),
    "change_schedule": ("/schedules/change", schedules.change),
    "drain_server": ("/servers/drain", servers.drain),
    "sign_in": ("/sign-in", entrance.sign_in),
    "sign_out": ("/sign-out", entrance.sign_out),
}
"""What is posted to, by forms of those pages."""

OPEN = frozenset({"static_file", "sign_in"})
"""What the page to sign in at consists of."""


def dashboard(
    jobs_or_storage: Qml | Storage,
    authorize: Callable[[], Any] | None = None,
    token: str | None = None,
    read_only: bool = False,
    redact: Sequence[str] = REDACTED,
    *,
    name: str = "qml",
) -> Blueprint:
    """A dashboard to register in a Flask app, with a ``url_prefix`` of your choice.

    ``jobs_or_storage``: whose jobs; with a ``Qml`` it knows the names of positional arguments.
    Who may see it: without ``authorize`` and ``token`` only this machine, directly. ``authorize``:
    called in each request without arguments; True lets in, False or None does not, a response is
    answered instead. ``token``: a text of 16 characters or more, given in a form or as
    ``Authorization: Bearer``. ``read_only``: nothing can be changed. ``redact``: patterns of names
    whose values are hidden. ``name``: of the blueprint and its cookies, one for each dashboard of
    an app. ConfigurationError for settings that cannot be.
    """
    if not isinstance(jobs_or_storage, Qml | Storage):
        raise ConfigurationError(
            f"a dashboard is of a Qml or a storage, not of {type(jobs_or_storage).__name__}"
        )
    if not isinstance(read_only, bool):
        raise ConfigurationError(f"dashboard read_only is {read_only!r}; give True or False")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII):
        raise ConfigurationError(f"dashboard name is {name!r}; give letters, digits, - and _")
    gate = gate_of(authorize, token, name)
    board = Board(name, jobs_or_storage, gate, read_only, Redaction(redact))
    return _blueprint(board)


def _blueprint(board: Board) -> Blueprint:
    blueprint = Blueprint(board.name, __name__)
    blueprint.before_request(partial(_before, board))
    blueprint.after_request(partial(_after, board))
    blueprint.register_error_handler(QmlError, partial(answering.trouble, board))
    for endpoint, (rule, view) in LOOKING.items():
        blueprint.add_url_rule(rule, endpoint, _bound(view, board))
    for endpoint, (rule, view) in CHANGING.items():
        blueprint.add_url_rule(rule, endpoint, _bound(view, board), methods=["POST"])
    everything = ["GET", "POST", "PUT", "PATCH", "DELETE"]  # what nobody knows is guarded, too
    unknown = _bound(entrance.unknown, board)
    blueprint.add_url_rule("/", "unknown", unknown, methods=everything[1:])
    blueprint.add_url_rule("/<path:name>", "unknown", unknown, methods=everything)
    return blueprint


def _bound(view: View, board: Board) -> Callable[..., Response]:
    return lambda **_: view(board)


def _before(board: Board) -> Response | None:
    """Whether the request is answered at all."""
    g._qml_board = board
    endpoint = (request.endpoint or "").rpartition(".")[2]
    refusal = board.gate.answer(is_open=endpoint in OPEN)
    if isinstance(refusal, Refusal):
        return answering.refused(board, refusal)
    if refusal is not None or request.method in ("GET", "HEAD", "OPTIONS"):
        return refusal
    why = forms.fault(board)
    if why is None and board.read_only and endpoint not in ("sign_in", "sign_out"):
        why = "this dashboard is read-only"
    return None if why is None else answering.forbidden(board, why)


def _after(board: Board, response: Response) -> Response:
    if getattr(g, "_qml_board", None) is board:
        forms.keep(board, response)
    return answering.secure(response)

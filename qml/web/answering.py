"""Answers: pages with what all of them have, parts of pages for the script, and safe headers."""

import hashlib
import json
import re
from typing import Any
from urllib.parse import quote, unquote

from flask import Response, redirect, request

from ..storage import servers
from ..values.errors import ConfigurationError, JobNotFound, QmlError
from . import forms, paths
from .board import Board
from .gate import Tokened
from .refusing import Refusal
from .rendering import render

LIVE = "Qml-Live"
"""The header by which the script asks for the parts of a page that change."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer": by that browsers would no longer tell where a form comes from.
    "Referrer-Policy": "same-origin",
}

COOKIE = 3_500
"""Characters of a cookie."""

_TIMES = re.compile(r">[^<]*</time>")


def show(board: Board, template: str, code: int = 200, **context: Any) -> Response:
    """A page; or for the script the parts of it that change, if they did."""
    live = LIVE in request.headers
    said = None if live else _said(board)
    whole = {
        "board": board,
        "here": request.endpoint.rpartition(".")[2] if request.endpoint else "",
        "layout": "live.html" if live else "layout.html",
        "form_token": forms.token(board),
        "can_sign_out": isinstance(board.gate, Tokened),
        "said": said,
        **context,
    }
    response = Response(render(template, whole), code, mimetype="text/html")
    if said is not None:
        response.delete_cookie(_said_name(board), path=paths.root() or "/")
    if live and code == 200:
        # Times in words are the script's own business: by them nothing has changed.
        same = _TIMES.sub("></time>", response.get_data(as_text=True))
        if "now" in whole:
            response.headers["Qml-Now"] = whole["now"].isoformat(timespec="milliseconds")
        response.set_etag(hashlib.sha256(same.encode(errors="replace")).hexdigest()[:32])
        response.make_conditional(request)
    return response


def around(board: Board) -> dict[str, Any]:
    """What every page shows of the store: its name, its jobs by state, its servers."""
    storage = board.storage
    counts = board.looks.soon("counts", storage.get_job_counts)
    known = board.looks.at("servers", lambda: servers.alive(storage))
    return {
        "store": storage.driver.describe(),
        "counts": counts,
        "alive": sum(server["silent_seconds"] <= servers.SILENT for server in known),
        "now": storage.now(),
    }


def page(board: Board, template: str, **context: Any) -> Response:
    """A page of the store."""
    return show(board, template, **around(board), **context)


def trouble(board: Board, error: QmlError) -> Response:
    """The page for an error of qml: wrong parameters, no such job, or a store that is down."""
    status = 400 if isinstance(error, ConfigurationError) else 503
    status = 404 if isinstance(error, JobNotFound) else status
    response = show(board, "trouble.html", status, message=str(error), status=status)
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


def done(board: Board, message: str, then: str, *, well: bool = True) -> Response:
    """Back to a page, which tells what became of what was asked for."""
    target = then if paths.is_ours(then) else paths.to("overview")
    response = redirect(target, 303)
    body = _packed(well, message[:600])
    forms.set_cookie(response, _said_name(board), body, 60)  # type: ignore[arg-type]
    return response  # type: ignore[return-value]


def _packed(well: bool, message: str) -> str:
    """What a cookie has room for; browsers drop a longer one."""
    body = quote(json.dumps([well, message]))
    return body if len(body) <= COOKIE else _packed(well, message[: len(message) // 2])


def _said_name(board: Board) -> str:
    return f"{board.name}_said"


def _said(board: Board) -> tuple[bool, str] | None:
    try:
        well, message = json.loads(unquote(request.cookies[_said_name(board)]))
        return bool(well), str(message)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def secure(response: Response) -> Response:
    """The headers that all answers have."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "no-store")
    response.vary.add("Cookie")
    return response


def forbidden(board: Board, why: str) -> Response:
    """What was posted is not done."""
    return show(board, "trouble.html", 403, status=403, message=f"Nothing was changed: {why}.")


def refused(board: Board, refusal: Refusal) -> Response:
    """A refusal in plain text, with what to do; or the page to sign in at."""
    if refusal.signs_in:
        path = paths.asked_for() if request.method in ("GET", "HEAD") else ""
        then = request.form.get("then", "") if refusal.wrong else path
        told = {"wrong": refusal.wrong, "then": then, "form_token": forms.token(board)}
        response = Response(render("sign_in.html", told), refusal.code, mimetype="text/html")
    else:
        response = Response(refusal.text, refusal.code, mimetype="text/plain")
    if refusal.code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="qml dashboard"'
    return response

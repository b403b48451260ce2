"""Signing in and out, the files that pages load, and addresses that nobody knows."""

import mimetypes

from flask import Response, redirect, request

from .. import answering, forms, paths, refusing, rendering
from ..board import Board
from ..gate import SIGNED_IN, Tokened

FILES = frozenset({"qml.css", "qml.js", "qml.svg"})


def sign_in(board: Board) -> Response:
    """Let a browser in that gave the token."""
    gate, then = board.gate, request.form.get("then", "")
    if not isinstance(gate, Tokened):
        return unknown(board)
    if not gate.is_right(request.form.get("token", "")):
        return answering.refused(board, refusing.WRONG_TOKEN)
    response = redirect(then if paths.is_ours(then) else paths.to("overview"), 303)
    forms.set_cookie(response, gate.cookie, gate.session(), SIGNED_IN)  # type: ignore[arg-type]
    return response  # type: ignore[return-value]


def sign_out(board: Board) -> Response:
    """Forget a browser."""
    response = redirect(paths.to("overview"), 303)
    if isinstance(board.gate, Tokened):
        response.delete_cookie(board.gate.cookie, path=paths.root() or "/")
    return response  # type: ignore[return-value]


def static_file(board: Board) -> Response:
    """The style sheet, the script or the icon."""
    name = (request.view_args or {}).get("name", "")
    if name not in FILES:
        return unknown(board)
    content, version = rendering.static(name)
    response = Response(content, mimetype=mimetypes.guess_type(name)[0])
    response.headers["Cache-Control"] = "no-cache"
    if request.args.get("v") == version:
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    response.set_etag(version)
    return response.make_conditional(request)  # type: ignore[return-value]


def unknown(board: Board) -> Response:
    """The page for an address that is none."""
    return answering.show(
        board, "trouble.html", 404, status=404, message="There is no page at this address."
    )

"""Forms that only this dashboard's own pages can send."""

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from flask import Response, current_app, g, request

from .board import Board
from .gate import Tokened
from .paths import root

FIELD = "_form"

LONGEST = 1_000_000
"""Bytes of a form."""

_TOLD_ANEW = "go back, load the page anew and try again"


def token(board: Board) -> str:
    """What a form of a page brings along: bound to a cookie, which the page sets if it is new."""
    return _signed(board, _cookie(board) or _new_cookie(board))


def keep(board: Board, response: Response) -> None:
    """Set the cookie that forms of this response are bound to, if it is new."""
    fresh = getattr(g, _attribute(board), None)
    if fresh is not None:
        set_cookie(response, _name(board), fresh)


def set_cookie(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Set a cookie for this dashboard alone, which no script can read and no other site send."""
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=root() or "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )


def fault(board: Board) -> str | None:
    """Why what was posted may be another site's doing; None = it is not."""
    if isinstance(board.gate, Tokened) and board.gate.bearer():
        return None
    why = _foreign() or _endless()
    if why is not None:
        return why
    cookie, given = _cookie(board), request.form.get(FIELD, "")
    if not cookie:
        return f"the form's cookie is missing: allow cookies here, {_TOLD_ANEW}"
    right = _signed(board, cookie)
    if not hmac.compare_digest(given.encode(errors="surrogatepass"), right.encode()):
        return f"the form is not of a page of this dashboard, or of an old one: {_TOLD_ANEW}"
    return None


def _foreign() -> str | None:
    """Browsers tell where a form came from, and pages cannot have them lie about it."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return None if site == "same-origin" else f"another site sent this ({site})"
    origin = request.headers.get("Origin")
    if origin is None:
        return "nothing tells which site sent this: neither Sec-Fetch-Site nor Origin is there"
    if _host_of(origin) != request.host.lower():
        return "another site sent this, or a proxy does not pass on the Host header"
    return None


def _endless() -> str | None:
    """Before anything of it is read, and spooled to a disk: also who has no token can send it."""
    if (request.content_length or 0) > LONGEST or "Transfer-Encoding" in request.headers:
        return f"this is no form of a page here: more than {LONGEST:,} bytes, or of unknown length"
    return None


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # such as brackets without an end: no browser's
        return ""


def _signed(board: Board, cookie: str) -> str:
    secret = current_app.secret_key or b""
    secret = secret.encode() if isinstance(secret, str) else secret
    key = hashlib.sha256(b"qml form\0" + board.gate.key + secret).digest()
    return hmac.new(key, f"{board.name} {cookie}".encode(), "sha256").hexdigest()


def _name(board: Board) -> str:
    return f"{board.name}_form"


def _attribute(board: Board) -> str:
    return f"_qml_form_{board.name}"


def _cookie(board: Board) -> str:
    return request.cookies.get(_name(board), "")


def _new_cookie(board: Board) -> str:
    fresh: str = getattr(g, _attribute(board), None) or secrets.token_urlsafe(24)
    setattr(g, _attribute(board), fresh)
    return fresh

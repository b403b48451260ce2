"""Who may see a dashboard: this machine alone, whom the app lets in, or who has the token."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from ..values import functions
from ..values.errors import ConfigurationError
from ..values.hosts import is_loopback, name_of
from . import refusing
from .refusing import Refusal

SHORTEST = 16
"""Characters of a token, at least: guessing a shorter one is a matter of time."""

SIGNED_IN = 12 * 3600
"""Seconds for which a browser that gave the token is known."""

_FORWARDED = (
    "Forwarded", "Via", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip",
    "Cf-Connecting-Ip", "Fastly-Client-Ip", "X-Envoy-External-Address",
)  # fmt: skip
"""Headers by which a proxy tells that it passes on what others ask, beside X-Forwarded-*."""


class Gate(Protocol):
    """Decides on each request. ``key``: what its forms are signed with beside the app's secret."""

    key: bytes

    def answer(self, *, is_open: bool) -> Refusal | Response | None:
        """None = go on; or what is answered instead. ``is_open``: it is only what the sign-in page
        consists of."""
        ...


class Local:
    """Only this machine: without a token or an ``authorize`` nobody can be told from another."""

    key = b""

    def answer(self, *, is_open: bool) -> Refusal | Response | None:
        """Refuse what does not come from here, or is passed on by a proxy, or names another host
        (as a page elsewhere can have a browser here do: DNS rebinding)."""
        why = _not_from_here()
        return None if why is None else Refusal(403, why, refusing.HOW_TO_OPEN)


def _not_from_here() -> str | None:
    if not is_loopback(request.remote_addr or ""):
        return "this dashboard answers its own machine only"
    if not is_loopback(name_of(request.headers.get("Host", ""))):
        return "this dashboard answers to localhost only, and another host was asked for"
    if any(name in request.headers for name in _FORWARDED) or any(
        name.lower().startswith("x-forwarded") for name, _ in request.headers
    ):
        return "this came through a proxy, so that nobody can tell who asks"
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return "this came by HTTP/1.0, as proxies speak it that do not tell who asks"
    return None


class Authorized:
    """Whom a function of the app lets in: called within each request, without arguments. True lets
    in, False or None does not, a response is answered as it is, such as a way to sign in."""

    key = b""

    def __init__(self, authorize: Callable[[], Any]) -> None:
        functions.check("dashboard authorize", authorize)
        self._authorize = authorize

    def answer(self, *, is_open: bool) -> Refusal | Response | None:
        """What the function says. Anything but True, False, None and a response is an error, so
        that a slip such as a forgotten call lets nobody in."""
        found = self._authorize()
        if found is True:
            return None
        if found is None or found is False:
            return Refusal(403, "you may not see this dashboard")
        if isinstance(found, AnyResponse):
            return Response.force_type(found)  # type: ignore[return-value]
        raise ConfigurationError(
            f"dashboard authorize returned {type(found).__name__}; give True, False or a response"
        )


class Tokened:
    """Who has the token: in a form, then known by a cookie; or as ``Authorization: Bearer``."""

    def __init__(self, token: str, name: str) -> None:
        if not isinstance(token, str) or len(token) < SHORTEST:
            raise ConfigurationError(
                f"the dashboard's token has to be a text of {SHORTEST} characters or more; make "
                "one: python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        given = token.encode(errors="surrogatepass")
        self._right = _digest(given)
        # Slow on purpose: tokens could be tried on the signature of the form to sign in.
        self.key = hashlib.scrypt(given, salt=b"qml dashboard", n=2**14, r=8, p=1)
        self.cookie = f"{name}_session"

    def answer(self, *, is_open: bool) -> Refusal | Response | None:
        """Let in who has shown the token, and what the sign-in page needs."""
        if self.bearer() or self._is_signed_in():
            return None
        if "Authorization" in request.headers:
            return Refusal(401, "this is not the dashboard's token")
        if is_open:
            return None
        return refusing.SIGN_IN

    def is_right(self, token: str) -> bool:
        """Whether this is the token, in a time that does not depend on how much of it is right."""
        return hmac.compare_digest(_digest(token.encode(errors="surrogatepass")), self._right)

    def bearer(self) -> bool:
        """Whether the request itself brings the token, as no page elsewhere can make a browser
        do."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.is_right(token.strip())

    def session(self) -> str:
        """What a browser is known by from now on."""
        about = f"{int(time.time())}.{secrets.token_urlsafe(12)}"
        return f"{about}.{self._signed(about)}"

    def _is_signed_in(self) -> bool:
        about, _, signature = request.cookies.get(self.cookie, "").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(about).encode()):
            return False
        since = int(about.partition(".")[0])
        return 0 <= time.time() - since + 60 < SIGNED_IN

    def _signed(self, about: str) -> str:
        return hmac.new(self.key, f"session {self.cookie} {about}".encode(), "sha256").hexdigest()


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(b"qml dashboard\0" + secret).digest()


def gate_of(authorize: Callable[[], Any] | None, token: str | None, name: str) -> Gate:
    """The gate that the settings of a dashboard ask for."""
    if authorize is not None and token is not None:
        raise ConfigurationError("dashboard authorize and token are both given; give one of them")
    if token is not None:
        return Tokened(token, name)
    return Local() if authorize is None else Authorized(authorize)

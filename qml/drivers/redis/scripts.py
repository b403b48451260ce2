"""The Lua scripts, each an atomic step of the server: a head that they share, and a few lines."""

import hashlib
from typing import NamedTuple

from ..statements import text_of


class Script(NamedTuple):
    """A script's text, and the hash under which the server keeps it."""

    name: str
    text: bytes
    sha: str


def _read(*names: str) -> Script:
    """One script of several files; a comment says where each begins, for the server's messages."""
    pages = [f"-- {name}.lua\n" + text_of("qml.drivers.redis", f"{name}.lua") for name in names]
    text = "\n".join(pages).encode()
    return Script(names[-1], text, hashlib.sha1(text, usedforsecurity=False).hexdigest())


def reading(name: str) -> Script:
    """A script that changes nothing."""
    return _read("rows", name)


def writing(*names: str) -> Script:
    """A script that may be called twice and is carried out once: what it shares, then its own."""
    return _read("rows", "calls", "lanes", "places", "place", "tallies", *names)


def alone(name: str) -> Script:
    """A script that does all by itself."""
    return _read(name)

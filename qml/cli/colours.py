"""Colours, where they are wanted: on a terminal, unless ``NO_COLOR`` says no."""

import os
import sys
from collections.abc import Callable
from typing import TextIO

_CODES = {
    "failed": "31",
    "awaiting_retry": "33",
    "processing": "36",
    "succeeded": "32",
    "deleted": "2",
    "ERROR": "1;31",
    "BROKEN": "1;31",
    "WARNING": "33",
    "note": "36",
    "ok": "32",
}
"""By the words that have one: states, and how severe a finding is."""


def wanted(stream: TextIO | None = None) -> bool:
    """Whether what is printed may be coloured. ``NO_COLOR`` and ``FORCE_COLOR`` decide where they
    are set, in this order; else a terminal that knows colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("TERM") == "dumb" or (sys.platform == "win32" and not _modern_windows()):
        return False
    return (stream or sys.stdout).isatty()


def _modern_windows() -> bool:
    return "WT_SESSION" in os.environ or "ANSICON" in os.environ


def word(text: str) -> str:
    """``text`` in the colour of the word in it, if it has one; blanks around it do not matter."""
    code = _CODES.get(text.strip())
    return f"\x1b[{code}m{text}\x1b[0m" if code and wanted() else text


def cells(*titles: str) -> Callable[[str, str], str]:
    """For ``table``: colours the cells of these columns."""
    return lambda title, cell: word(cell) if title in titles else cell

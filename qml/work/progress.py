"""One line that says how far a command is."""

import sys
import time
from typing import TextIO

from ..values.texts import cut, encodable, plain, terminal_width

ON_TERMINAL = 0.1
ELSEWHERE = 5.0
"""Seconds between two lines, where each stays."""


class Progress:
    """A line on stderr, written over and over on a terminal, now and then elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._over = self._stream.isatty()
        self._next = time.monotonic() + (0 if self._over else ELSEWHERE)
        self._shown = 0

    def show(self, text: str, *, now: bool = False) -> None:
        """Show ``text`` if the last one has been there long enough, or ``now``."""
        if not now and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (ON_TERMINAL if self._over else ELSEWHERE)
        text = encodable(plain(text), self._stream)
        if not self._over:
            print(text, file=self._stream, flush=True)
            return
        text = cut(text, (terminal_width(self._stream) or 80) - 1)
        print(f"\r{text:<{self._shown}}", end="", file=self._stream, flush=True)
        self._shown = len(text)

    def say(self, text: str) -> None:
        """A line that stays, above the one that is written over."""
        self.clear()
        print(encodable(plain(text), self._stream), file=self._stream, flush=True)

    def clear(self) -> None:
        """Leave no rest of the line."""
        if self._over and self._shown:
            print(f"\r{'':<{self._shown}}\r", end="", file=self._stream, flush=True)
        self._shown = 0

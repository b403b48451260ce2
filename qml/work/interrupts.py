"""Ctrl-C at a good moment."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self


class Interrupts:
    """Notes a Ctrl-C while entered, in the main thread, and raises it where ``look`` is called; a
    second one is raised at once.

    In the middle of a driver's step it may fall between a lock and its release, and whoever closes
    the store waits for that: 5 seconds on SQLite, once in 200 tries.
    """

    def __init__(self) -> None:
        self._noted = False
        self._entered = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if _in_main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
            self._entered = True
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def look(self) -> None:
        """KeyboardInterrupt if there was one."""
        if self._noted:
            raise KeyboardInterrupt

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While others' code runs Ctrl-C is theirs: they may handle it, take long, or never come
        back. What is raised there leaves it so."""
        self.look()
        self.__exit__()
        yield
        self.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._entered and _in_main_thread():
            before = self._before
            signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        self._entered = False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()

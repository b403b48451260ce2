"""Ctrl-C at a good moment."""

import signal
import threading
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
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def look(self) -> None:
        """KeyboardInterrupt if there was one."""
        if self._noted:
            raise KeyboardInterrupt

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

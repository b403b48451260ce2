"""SIGTERM, SIGINT and SIGUSR1 while a server runs."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Signals:
    """Counts SIGTERM and SIGINT while entered, in the main thread; elsewhere it counts none.
    ``drain``: SIGUSR1 came, where there is one. A program that handles that itself keeps it.

    The handlers only note: what takes a lock could stop the thread that it interrupts.
    """

    def __init__(self) -> None:
        self.count = 0
        self.drain = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
            drains = getattr(signal, "SIGUSR1", None)  # Windows has none
            if drains is not None and signal.getsignal(drains) is signal.SIG_DFL:
                self._before[drains] = signal.signal(drains, self._note_drain)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def _note_drain(self, number: int, frame: FrameType | None) -> None:
        self.drain = True

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

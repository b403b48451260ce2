"""SIGTERM and SIGINT while a server runs."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Signals:
    """Counts SIGTERM and SIGINT while entered, in the main thread; elsewhere it counts none.

    The handler only counts: anything that takes a lock could stop the thread that it interrupts.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

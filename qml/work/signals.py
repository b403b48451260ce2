"""SIGTERM, SIGINT and SIGUSR1 while a server runs."""

import os
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, Self

POLL = 0.25
"""Seconds that ``wait`` takes at most in a program that hears of signals by a bell of its own."""


_entered: list["Signals"] = []


class Signals:
    """Counts SIGTERM and SIGINT while entered, in the main thread; elsewhere it counts none.
    ``drain``: SIGUSR1 came, where there is one. A program that handles that itself keeps it.

    The handlers only note: what takes a lock could stop the thread that it interrupts. In a process
    that a task forks, no server runs: signals do there what they did before.
    """

    def __init__(self) -> None:
        self.count = 0
        self.drain = False
        self._before: dict[int, Any] = {}
        self._lock = threading.RLock()  # what handles a signal may call ``wake``
        self._bell: tuple[socket.socket, socket.socket] | None = None
        self._is_rung = False  # by the system, at each signal, whatever thread gets it

    def __enter__(self) -> Self:
        with self._lock:
            self._bell = socket.socketpair()
            self._bell[1].setblocking(False)
        if threading.current_thread() is threading.main_thread():
            _entered.append(self)
            self._is_rung = _ring_at_signals(self._bell[1])  # first: a signal that counts rings
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
            drains = getattr(signal, "SIGUSR1", None)  # Windows has none
            if drains is not None and signal.getsignal(drains) is signal.SIG_DFL:
                self._before[drains] = signal.signal(drains, self._note_drain)
            self._bell[0].settimeout(None if self._is_rung else POLL)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def _note_drain(self, number: int, frame: FrameType | None) -> None:
        self.drain = True

    def wait(self) -> None:
        """Sleep until a signal comes, or somebody calls ``wake``, or did since the last time. It
        may return sooner."""
        if self._bell is not None:
            with suppress(TimeoutError):
                self._bell[0].recv(4096)

    def wake(self) -> None:
        """Have ``wait`` return, in whatever thread it sleeps."""
        with self._lock:
            if self._bell is not None:
                with suppress(BlockingIOError):  # it was rung often enough
                    self._bell[1].send(b"!")

    def __exit__(self, *error: object) -> None:
        self.let_go()
        with self._lock:
            bell, self._bell = self._bell, None
        for end in bell or ():
            end.close()

    def let_go(self) -> None:
        """Signals are the program's again."""
        if self._is_rung:
            signal.set_wakeup_fd(-1)
            self._is_rung = False
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if self in _entered:
            _entered.remove(self)


def _in_forked_child() -> None:
    while _entered:
        _entered[-1].let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


def _ring_at_signals(bell: socket.socket) -> bool:
    """Whether the system rings this at each signal; not where it rings another's."""
    others = signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
    if others != -1:
        signal.set_wakeup_fd(others)
    return others == -1

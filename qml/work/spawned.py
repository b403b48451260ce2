"""One spawned process, as the server sees it."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker

from ..values.patience import Patience
from . import child
from .child import HARMLESS, NAME
from .messages import Message, receive, send

_SPAWN = multiprocessing.get_context("spawn")


class Spawned:
    """A process that runs calls. Only the thread that has borrowed it talks to it; any thread may
    ``kill`` it, which the borrower sees as its end. ``used``: it has been lent before."""

    def __init__(self) -> None:
        self.used = self._killed = False
        self._pipe, theirs = _SPAWN.Pipe()
        # No daemon: one may not have processes of its own, which a task may want.
        self._process = _SPAWN.Process(
            target=child.main, args=(theirs, logging.root.level), name=NAME, daemon=False
        )
        try:
            with _signals_held_back():
                self._process.start()
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    @property
    def lives(self) -> bool:
        """Whether it has not ended, and is not about to."""
        return not self._killed and self._process.is_alive()

    def send(self, message: Message) -> None:
        """Send a message; EOFError when the process is gone."""
        try:
            send(self._pipe, message)
        except OSError as error:
            raise EOFError from error

    def next(self, seconds: float) -> Message:
        """The next message, an empty one when none comes within ``seconds``; EOFError when the
        process is gone."""
        try:
            if self._pipe.poll(seconds):
                return receive(self._pipe)
        except OSError as error:
            raise EOFError from error
        if not self.lives:  # and what it has started holds its end of the pipe open
            raise EOFError
        return {}

    def tell(self, flags: dict[str, bool]) -> None:
        """Have the run know; one that has just ended need not."""
        with suppress(EOFError):
            self.send({"flags": flags})

    def end(self) -> None:
        """Ask an idle one to end."""
        with suppress(EOFError):
            self.send({"end": True})

    def kill(self) -> None:
        """End it and what it has started, at once; it cannot refuse. It may be gone already."""
        if not self._killed:
            self._killed = True
            if hasattr(os, "killpg"):
                with suppress(OSError):  # nobody is left, or it had no group yet
                    os.killpg(self.pid, signal.SIGKILL)
            self._process.kill()

    def exit_code(self, seconds: float) -> int | None:
        """How it ended, within ``seconds``: a negative number is a signal's. None = it has not."""
        patience = Patience(seconds)
        # No join, which waits for all that holds a certain pipe open, and does not know the code
        # if another thread, which starts a process, has just asked the kernel for it.
        while (code := self._process.exitcode) is None and patience.left() > 0:
            time.sleep(0.005)
        return code


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """A process starts with the signals blocked that are blocked in the thread which starts it:
    so Ctrl-C cannot end it before it has said that it does not care."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would unblock them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HARMLESS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

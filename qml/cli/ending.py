"""SIGTERM ends a command as Ctrl-C does: what it has begun is cleared away."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn


@contextlib.contextmanager
def interrupted_by_sigterm() -> Iterator[Callable[[], None]]:
    """SIGTERM is a KeyboardInterrupt within. Outside the main thread signals are left alone.

    What it gives raises the interrupt again, Ctrl-C's, too, if there was one: where it fell into a
    finalizer, Python has thrown it away.
    """
    noted: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        noted.append(number)
        raise KeyboardInterrupt

    def look() -> None:
        if noted:
            raise KeyboardInterrupt

    with contextlib.ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                before = signal.getsignal(number)
                if number == signal.SIGTERM or before is signal.default_int_handler:
                    stack.callback(signal.signal, number, before or signal.SIG_DFL)
                    signal.signal(number, interrupt)
        yield look

"""Threads that insert row after row, and are likely to come again all at once."""

import threading
import time
from collections.abc import Iterable

GAP = 0.0005
"""Seconds for which nobody has to come until no more are waited for. Of eight threads one comes
every 0.1 ms; those that do something else besides mostly stay away for longer."""


class Company:
    """Those whose rows were stored together last. ``others``: how many besides the first; told of
    and asked by whose turn it is."""

    def __init__(self) -> None:
        self.others = 0
        self._threads: set[int] = set()
        self._parted = 0.0

    def parts(self, others: Iterable[int]) -> None:
        """This thread's row was stored with those of the others."""
        self._threads = {*others}
        self.others = len(self._threads)
        if self.others:
            self._threads.add(threading.get_ident())
            self._parted = time.monotonic()

    def is_back(self) -> bool:
        """Whether this thread is one of them, and comes at once. Where none does, to wait for the
        others would be in vain."""
        soon = time.monotonic() < self._parted + GAP
        return soon and threading.get_ident() in self._threads

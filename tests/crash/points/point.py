"""The moments at which a process may be killed, counted; at one of them it kills itself.

Where nothing has happened since the last point, in the store or in the ledger, there is no new one:
after one statement and before the next is the same moment.
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..ledger import Ledger


class Points:
    """The points of one process so far, by ``names``; the first is number 1. ``last``: at this one
    it dies. ``step``: what it is about, for names."""

    def __init__(self, ledger: Ledger, last: int) -> None:
        self.names: list[str] = []
        self.step = ""
        self._news = True
        self._ledger = ledger
        self._last = last

    def at(self, name: str) -> None:
        """A point, if there is news. SIGKILL leaves no time for anything: no rollback, no goodbye
        to a server."""
        if not self._news:
            return
        self._news = False
        self.names.append(f"{self.step}: {name}")
        if len(self.names) == self._last:
            self._ledger.note("point", number=self._last, name=self.names[-1])
            os.kill(os.getpid(), signal.SIGKILL)

    def happened(self) -> None:
        """Something has changed outside of this process."""
        self._news = True

    def note(self, kind: str, **facts: Any) -> None:
        """Write something down in the ledger, which is news."""
        self._ledger.note(kind, **facts)
        self.happened()

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """A point before an effect and, unless it fails, one after."""
        self.at(f"before {name}")
        yield
        self.happened()
        self.at(f"after {name}")

    def between(self, rows: Iterable[Any], name: str) -> Iterator[Any]:
        """The rows of a batch, with a point before each but the first."""
        for place, row in enumerate(rows):
            if place:
                self.happened()
                self.at(f"within {name}, after {place} rows")
            yield row

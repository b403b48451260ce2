"""What one run did, in order: to its files, and what its callers asked and were told."""

import threading
import time
from typing import Any, NamedTuple

DIRECTORY = 0
"""The number of the folder itself; its files have higher ones."""


class Created(NamedTuple):
    """A new file has this name now. ``content``: it was there before the run."""

    name: str
    file: int
    content: bytes = b""


class Deleted(NamedTuple):
    name: str


class Wrote(NamedTuple):
    file: int
    offset: int
    data: bytes


class Truncated(NamedTuple):
    file: int
    size: int


class Syncing(NamedTuple):
    """A sync began. What was done to the file before is safe once it is ``Synced``."""

    file: int
    flags: int


class Synced(NamedTuple):
    """The sync is done that began with the event of this number."""

    begun: int


class Called(NamedTuple):
    """A caller asks the storage for something. ``ids``: of the jobs to be made or removed; ``by``:
    a purge is to remove what finished until then."""

    verb: str
    ids: tuple[str, ...] = ()
    by: Any = None


class Answered(NamedTuple):
    """The answer to the call of this number: the jobs as stored, the ids of those removed.
    ``flushed``: it is a promise to keep that."""

    call: int
    flushed: bool
    jobs: tuple[Any, ...] = ()
    gone: tuple[str, ...] = ()


class Event(NamedTuple):
    at: float  # seconds of a steady clock
    thread: int
    what: Any


class Trace:
    """Events in one order. Acts that are done under ``lock``, like their notes, have it, too."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.lock = threading.RLock()

    def add(self, what: Any) -> int:
        """The number of the event."""
        with self.lock:
            self.events.append(Event(time.perf_counter(), threading.get_ident(), what))
            return len(self.events) - 1

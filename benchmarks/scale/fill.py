"""A store full of jobs that are copies of one that qml wrote, each with an id of its own."""

from collections.abc import Callable
from datetime import timedelta

from qml import Job, Scheduled, Succeeded
from qml.storage.storage import Storage

from ..loops import PAYLOAD
from .copying import Copies, copier

STEP = 100_000


def finished(storage: Storage) -> Job:
    """A job that was done."""
    storage.enqueue(Job("nothing", [PAYLOAD]))
    claimed = storage.fetch_and_lock_job("scale")
    assert claimed is not None
    return storage.finish(claimed, Succeeded(result=1))


def later(storage: Storage) -> Job:
    """A job that is due next year."""
    due = Scheduled(enqueue_at=storage.now() + timedelta(days=365))
    return storage.enqueue(Job("nothing", [PAYLOAD]).with_state(due))


def waiting(storage: Storage) -> Job:
    """A job that may be claimed."""
    return storage.enqueue(Job("nothing", [PAYLOAD]))


KINDS: dict[str, Callable[[Storage], Job]] = {
    "finished": finished,
    "due next year": later,
    "waiting": waiting,
}


class Filler:
    """Fills a store with jobs of a kind; ``jobs`` is how many it has put there."""

    def __init__(self, url: str, storage: Storage, kind: str) -> None:
        self.jobs = 0
        self._storage = storage
        self._copier = copier(url, storage)
        self._pattern = KINDS[kind]

    def fill(self, jobs: int) -> None:
        """Make it so many, and let the store come to rest."""
        if self.jobs < jobs:
            pattern = self._pattern(self._storage).id
            self.jobs += 1
            for first in range(1, jobs - self.jobs + 1, STEP):
                last = min(jobs - self.jobs, first + STEP - 1)
                self._copier.copy(Copies(pattern, first, last))
            self.jobs = jobs
        self._copier.settle()

    def fits(self, most_bytes: int) -> int:
        """How many such jobs the store may hold: those that take ``most_bytes`` of memory, where
        it keeps them there, by what those take that are there now. Ask before others are."""
        used = self._copier.memory()
        return most_bytes * self.jobs // used if used else 2**63

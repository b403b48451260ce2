"""Writes down what runs say of themselves: the news of all of them in one step."""

import logging
import threading
from collections.abc import Iterable, Sequence

from ..storage.storage import Storage
from ..values.errors import StorageError
from .runs import Run

log = logging.getLogger("qml.server")

PATIENCE = 2.0
"""Seconds that outcomes wait for notes which are being written at the same moment."""


class Noter:
    """Writes notes, by one thread at a time: of two that overtook each other on their way to the
    store, the older would stay. It renews the leases of their jobs for ``lease_seconds``."""

    def __init__(self, storage: Storage, lease_seconds: float | None = None) -> None:
        self._storage = storage
        self._lease = lease_seconds
        self._turn = threading.Lock()

    def write(self, runs: Sequence[Run]) -> list[tuple[Run, bool]]:
        """Write the news there are; for each run that had any, whether its claim holds the job
        still. After an error they are news again."""
        if not any(run.notes.news for run in runs):
            return []
        with self._turn:
            return self._write(runs)

    def write_last(self, runs: Sequence[Run]) -> None:
        """Write the news of runs that have ended, before their outcomes: whoever waits for a job
        finds its last words. What stands in the way does not stand in that of the outcomes."""
        if not any(run.notes.news for run in runs) or not self._turn.acquire(timeout=PATIENCE):
            return
        try:
            self._write(runs)
        except StorageError as error:
            log.debug("last notes are not written yet: %s", error)
        except Exception:
            log.exception("last notes could not be written")
        finally:
            self._turn.release()

    def _write(self, runs: Iterable[Run]) -> list[tuple[Run, bool]]:
        told = [run for run in runs if run.notes.news and not run.lost]
        news = [(run.job, run.notes.take()) for run in told]
        answers = self._storage.note_many(news, self._lease)
        for run in told:
            run.notes.written()
        return list(zip(told, answers, strict=True))

"""Writes down what runs note: the news of all of them in one step, or of one at once."""

import logging
import threading
from collections.abc import Iterable, Sequence

from ..storage import checks
from ..storage.storage import Storage
from ..values.errors import StorageError
from .runs import Run

log = logging.getLogger("qml.server")

PATIENCE = 2.0
"""Seconds that outcomes wait for notes which are being written at the same moment."""


class Noter:
    """Writes notes, those of one run by one thread at a time (see ``Notebook.turn``). It renews the
    leases of their jobs for ``lease_seconds``."""

    def __init__(self, storage: Storage, lease_seconds: float | None = None) -> None:
        self._storage = storage
        self._lease = lease_seconds
        self.lease_seconds = checks.lease(lease_seconds) / 1e6
        self.max_bytes = storage.max_job_bytes
        self._turn = threading.Lock()

    def write(self, runs: Sequence[Run]) -> list[tuple[Run, bool]]:
        """Write the news there are; for each run that had any, whether its claim holds the job
        still. After an error they are news again."""
        if not any(run.has_news for run in runs):
            return []
        with self._turn:
            return self._write(runs)

    def write_last(self, runs: Sequence[Run]) -> None:
        """Write the news of runs that have ended, before their outcomes: whoever waits for a job
        finds its last words. What stands in the way does not stand in that of the outcomes."""
        if not any(run.has_news for run in runs) or not self._turn.acquire(timeout=PATIENCE):
            return
        try:
            self._write(runs)
        except StorageError as error:
            log.debug("last notes are not written yet: %s", error)
        except Exception:
            log.exception("last notes could not be written")
        finally:
            self._turn.release()

    def write_now(self, run: Run) -> bool:
        """Write all that a run has noted, in the calling thread; whether its claim holds the job
        still. After an error it is news again."""
        with run.notes.turn:
            asked = run.steady()
            [(_, held)] = self._written([run])
        # From when it was asked, be it before the last renewal: the store may have got it after.
        run.renewed_at = asked
        return held

    def _write(self, runs: Iterable[Run]) -> list[tuple[Run, bool]]:
        # One whose turn is taken is writing all its news itself.
        told = [
            run
            for run in runs
            if run.has_news and not run.lost and run.notes.turn.acquire(blocking=False)
        ]
        try:
            return self._written(told)
        finally:
            for run in told:
                run.notes.turn.release()

    def _written(self, runs: Sequence[Run]) -> list[tuple[Run, bool]]:
        news = [(run.job, run.notes.take()) for run in runs]
        answers = list(zip(runs, self._storage.note_many(news, self._lease), strict=True))
        for run, held in answers:
            run.notes.written(kept=held)
        return answers

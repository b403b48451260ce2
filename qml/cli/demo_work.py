"""The demo's work: a job for every file that has none yet, and the outcome of each."""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

import attrs

from ..storage.storage import Storage
from ..values.errors import InvalidTransition, JobAlreadyExists, JobNotFound
from ..values.job import Job
from ..values.states import FINAL, Deleted, Failed, Succeeded
from .demo_files import Found
from .demo_tasks import METHOD, QUEUE

BATCH = 500
"""Jobs that are looked up, enqueued or looked at in one step."""


@attrs.define
class Work:
    """The jobs of the files that were listed. ``sums``: SHA-256 by job id; ``failed``: the reason
    by job id; ``pending``: ids of those not final yet; how many were ``new``, ``known``, ``again``
    (had failed before) and ``unfinished`` (left by an earlier run) when this one ``began``."""

    storage: Storage
    sums: dict[str, str] = attrs.field(factory=dict)
    failed: dict[str, str] = attrs.field(factory=dict)
    pending: dict[str, Found] = attrs.field(factory=dict)
    began: datetime = attrs.field(
        default=attrs.Factory(lambda self: self.storage.now(), takes_self=True)
    )
    new: int = 0
    known: int = 0
    again: int = 0
    unfinished: int = 0

    def add(self, files: Sequence[Found]) -> None:
        """Enqueue what is new of a batch of files; what failed before is tried again."""
        by_id = {file.job_id: file for file in files}
        while by_id:
            stored = self.storage.get_many(list(by_id))
            fresh = self._sort_out(by_id, stored)
            try:
                self.storage.enqueue_many(_jobs(fresh))
            except JobAlreadyExists:
                by_id = fresh  # another demo was faster with one of them: look again
                continue
            self.new += len(fresh)
            self.pending |= fresh
            return

    def _sort_out(self, by_id: dict[str, Found], stored: list[Job | None]) -> dict[str, Found]:
        """Take note of the stored jobs; the files that have none."""
        fresh = {}
        for (job_id, file), job in zip(by_id.items(), stored, strict=True):
            if job is None or isinstance(job.state, Deleted):
                if job is not None:
                    self.storage.delete(job_id)
                fresh[job_id] = file
            elif isinstance(job.state, Failed):
                self.again += 1
                self._try_again(job_id)
                self.pending[job_id] = file
            elif isinstance(job.state, Succeeded):
                # What is left of an earlier run is done while files are still being listed.
                if job.state.succeeded_at < self.began:
                    self.known += 1
                else:
                    self.unfinished += 1
                self._note(job)
            else:
                self.unfinished += 1
                self.pending[job_id] = file
        return fresh

    def _try_again(self, job_id: str) -> None:
        with contextlib.suppress(InvalidTransition, JobNotFound):  # somebody else was faster
            self.storage.retry(job_id)

    def collect(self) -> int:
        """Take note of the jobs that have ended, the oldest first; how many."""
        before = len(self.pending)
        skipped = 0
        while batch := list(islice(self.pending, skipped, skipped + BATCH)):
            ended = 0
            for job_id, job in zip(batch, self.storage.get_many(batch), strict=True):
                ended += self._has_ended(job_id, job)
            if not ended:
                break
            skipped += len(batch) - ended
        return before - len(self.pending)

    def _has_ended(self, job_id: str, job: Job | None) -> bool:
        if job is not None and job.state.kind not in FINAL:
            return False
        if job is not None and isinstance(job.state, Failed) and _was_lost(job.state):
            self._try_again(job_id)
            return False
        del self.pending[job_id]
        if job is None:
            self.failed[job_id] = "its job was deleted"
        else:
            self._note(job)
        return True

    def _note(self, job: Job) -> None:
        state = job.state
        if isinstance(state, Succeeded) and isinstance(state.result, str):
            self.sums[job.id] = state.result
        elif isinstance(state, Failed):
            self.failed[job.id] = state.exception
        else:
            self.failed[job.id] = "its job was cancelled"


def _was_lost(state: Failed) -> bool:
    """Whether it failed only because the runs it had were killed, one after the other."""
    return state.exception.startswith("WorkerLost")


def _jobs(files: dict[str, Found]) -> list[Job]:
    return [Job(METHOD, file.arguments, queue=QUEUE, id=job_id) for job_id, file in files.items()]

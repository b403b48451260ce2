"""The oracle's half for onlookers: each question is a comprehension over the list."""

import json
from datetime import timedelta
from typing import Any

from ..values import searching
from ..values.errors import WaitTimeout
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.states import FINAL, StateKind, kinds
from .limited import Limited
from .table import Entry, page

Jobs = list[Job]  # "list" is a method of the class below
Entries = list[Entry]


class Looking(Limited):
    """What changes nothing."""

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        entry = self._find(job_id)
        return entry.job if entry else None

    def list(
        self,
        state_filter: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        queue: str | None = None,
        method: str | None = None,
    ) -> Jobs:
        """Newest first."""
        wanted = kinds(state_filter)
        found = [
            entry.job
            for entry in reversed(self.entries)
            if (wanted is None or entry.job.state.kind in wanted)
            and queue in (None, entry.job.queue)
            and method in (None, entry.job.method)
        ]
        return page(found, limit, offset)

    def get_job_counts(self) -> dict[StateKind, int]:
        """How many jobs each state has."""
        all_kinds = [entry.job.state.kind for entry in self.entries]
        return {kind: all_kinds.count(kind) for kind in StateKind}

    def get_available_jobs(self, limit: int | None = None) -> Jobs:
        """What a claim by a new worker could take, in its order."""
        now = self.now()
        free = [entry for entry in self._free(None) if not entry.expired_at(now)]
        return [entry.job for entry in self._let_through(free, limit)]

    def select(self, where: JobFilter) -> Jobs:
        """What a filter names, newest first."""
        return [entry.job for entry in reversed(self._named(where))]

    def count(self, where: JobFilter) -> int:
        """How many a filter names."""
        return len(self._named(where))

    def _named(self, where: JobFilter) -> Entries:
        return self._pick(lambda entry: self._passes(entry, where))

    def _passes(self, entry: Entry, where: JobFilter) -> bool:
        job = entry.job
        age = timedelta(seconds=where.older_than or 0)
        youth = timedelta(seconds=where.newer_than or 0)
        return (
            (where.older_than is None or job.created_at + age <= self.now())
            and (where.newer_than is None or job.created_at + youth > self.now())
            and (where.text is None or searching.contains([job.arguments, job.kwargs], where.text))
            and (where.states is None or job.state.kind in where.states)
            and (where.ids is None or job.id in where.ids)
            and where.queue in (None, job.queue)
            and where.method in (None, job.method)
            and where.batch in (None, entry.ties.batch)
            and all(
                name in job.metadata and _text(job.metadata[name]) == _text(value)
                for name, value in where.metadata.items()
            )
        )

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job if it has ended. Nothing else can end it meanwhile: WaitTimeout otherwise."""
        entry = self._need(job_id)
        if entry.job.state.kind not in FINAL:
            raise WaitTimeout(f"job {job_id} is {entry.job.state.kind}", job_id=job_id)
        return entry.job


def _text(value: Any) -> str:
    """JSON in which 1, 1.0 and true differ, and the order of keys does not count."""
    return json.dumps(value, sort_keys=True)

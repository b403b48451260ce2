"""What an app's jobs and processes share with each other."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, overload

from ..storage import checks
from ..storage.locks import checked_name
from ..storage.storage import Storage
from ..values.job import Job
from . import locks
from .grouping import Grouping
from .lock import Lock


class Together(Grouping):
    """The part of an app by which jobs and processes work together."""

    @property
    def storage(self) -> Storage:
        """Where it stands."""
        raise NotImplementedError

    def storage_for(self, connection: Any) -> Storage:
        """The same, for jobs that are to be part of the transaction of ``connection``."""
        return self._storage_within(connection)

    def _storage_within(self, connection: Any) -> Storage:
        raise NotImplementedError

    @overload
    def enqueue_in(self, connection: Any, job_or_jobs: Job, /) -> Job: ...

    @overload
    def enqueue_in(self, connection: Any, job_or_jobs: Iterable[Job], /) -> list[Job]: ...

    def enqueue_in(self, connection: Any, job_or_jobs: Job | Iterable[Job], /) -> Job | list[Job]:
        """Enqueue in a transaction of yours: the job exists if and only if that commits.

        ``connection``: to the database that the jobs are in, of sqlite3 or psycopg2, or a
        SQLAlchemy ``Connection`` or ``Session`` over one. ``job_or_jobs``: one, or several, all or
        none; those of a task are made by ``task.job(...)``, or enqueued at once by
        ``task.using(connection=...).enqueue(...)``.

        Servers see it with the commit, and start it then. JobAlreadyExists and UniqueKeyTaken leave
        your transaction as it was. ConfigurationError for a connection to another database, one
        that commits each statement at once, and for storages without transactions.
        """
        if isinstance(job_or_jobs, Job):
            return self.storage_for(connection).enqueue_in(connection, [job_or_jobs])[0]
        return self.storage_for(connection).enqueue_in(connection, job_or_jobs)

    def lock(
        self, name: str, *, seconds: float = 60.0, timeout: float | None = 0.0
    ) -> AbstractContextManager[Lock]:
        """Hold the lock ``name`` of the store for a block: ``with jobs.lock("nightly") as lock:``.

        One block at a time has it, whatever the process, the machine or the app. ``seconds``: how
        long it stays taken when its holder has died; one that lives renews it, however long the
        block. ``timeout``: seconds to wait for it; 0 = be refused at once, None = without end. It
        is no re-entrant lock: a thread that asks for what it holds is refused at once.

        LockTaken when another holds it; StorageUnavailable when the store stays away for
        ``seconds``, or until the timeout; in a job that is cancelled or late, what its ``check()``
        raises. Leaving the block frees only what is still its own; a loss is logged.
        """
        checked_name(name)
        checks.span("lock seconds", seconds)
        if timeout is not None:
            checks.delay("lock timeout", timeout)
        return locks.holding(self.storage, name, seconds, timeout)

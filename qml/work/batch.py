"""A batch: a named group of jobs that is kept in the store, and what comes after all of them."""

from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self

from ..storage import batches
from ..storage.batches import BatchProgress
from ..storage.storage import Storage
from ..values import jsontext
from ..values.errors import ConfigurationError, JobAlreadyExists
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.states import FINAL, Failed, StateKind
from .mapping import forget
from .task import Task, needs_task
from .waiting import Named


class App(Protocol):
    """What a batch needs of its app."""

    @property
    def storage(self) -> Storage:
        """Where its jobs are."""
        ...

    def batch_closed(self) -> None:
        """Told when a batch has been closed."""
        ...


class Batch(Named):
    """The batch ``name`` of an app's store. It is there as long as its jobs are; making the object
    changes nothing.

    ``on_success``: a task that is enqueued, with the batch's name as its one argument, when all its
    jobs have succeeded; ``on_finish``: one when all have ended, well or not. Each comes once, in
    the same step as the end of the last job, also for a batch without jobs.

    As a context manager it takes jobs until the block is left; then it is complete. A block that
    raises leaves it open: enter it again, with the same jobs, to go on. Outside a block, ``open()``
    and ``close()`` do the same.
    """

    def __init__(
        self,
        app: App,
        name: str,
        on_success: Task[..., Any] | None = None,
        on_finish: Task[..., Any] | None = None,
    ) -> None:
        if not isinstance(name, str) or not name or "\0" in name:
            raise ConfigurationError(f"batch name is {name!r}; give text that is not empty")
        self.name = jsontext.checked(name, "batch name")
        self._app = app
        self._after = {"on_success": on_success, "on_finish": on_finish}
        self._life = 0
        for role, task in self._after.items():
            if task is not None:
                needs_task(role, task)

    # -- making --------------------------------------------------------------------------------

    def open(self) -> Self:
        """Jobs are to come: what comes after the batch is stored, and waits for ``close``."""
        batches.expect(self._app.storage.driver, self.name, more=True)
        if any(self._after.values()):
            self._life = batches.life(self._app.storage.driver, self.name)
        for role, task in self._after.items():
            if task is not None:
                self._follow(task, role)
        return self

    def _follow(self, task: Task[..., Any], role: str) -> None:
        if_failed = "cancel" if role == "on_success" else "run"
        job_id = batches.follower_id(self.name, role, self._life)
        with suppress(JobAlreadyExists):  # the batch was made before
            task.using(run_after=self, if_failed=if_failed, id=job_id).enqueue(self.name)

    def close(self) -> None:
        """No more jobs are to come."""
        batches.expect(self._app.storage.driver, self.name, more=False)
        self._app.batch_closed()

    def enqueue(self, task: Task[..., Any], /, *args: Any, **kwargs: Any) -> Job:
        """Enqueue a job of the batch: ``task.using(batch=batch).enqueue(...)``."""
        needs_task("what batch.enqueue takes", task)
        return task.using(batch=self.name).enqueue(*args, **kwargs)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    def followers(self) -> list[str]:
        """The ids of the jobs that come after it, of those this object was given tasks for."""
        return [
            batches.follower_id(self.name, role, self._life)
            for role, task in self._after.items()
            if task is not None
        ]

    # -- looking, changing ---------------------------------------------------------------------

    @property
    def progress(self) -> BatchProgress:
        """How far it is, asked of the store."""
        return batches.progress(self._app.storage.driver, self.name)

    def jobs(self, *states: StateKind | str) -> list[Job]:
        """Its jobs by their place, or those in these states."""
        where = JobFilter(batch=self.name, states=states or None)
        return batches.in_order(self._app.storage.select(where))

    def results(self) -> Iterator[Any]:
        """The results of the jobs that have succeeded by now, by their place."""
        return (job.state.result for job in self.jobs("succeeded"))  # type: ignore[attr-defined]

    def failures(self) -> list[Job]:
        """The jobs that have failed for good, or were deleted, by their place."""
        return self.jobs("failed", "deleted")

    def retry_failed(self) -> int:
        """Have those run again that have failed for good; how many."""
        return self._app.storage.retry_many(JobFilter(batch=self.name, states=["failed"]))

    def cancel(self, reason: str | None = None) -> int:
        """Cancel the jobs that have not ended; how many. It is over with the last of them."""
        return self._app.storage.cancel_many(JobFilter(batch=self.name), reason)

    def delete(self) -> int:
        """Remove all its jobs, whatever their state, and what is remembered of it: how far a map
        came, that jobs failed, and that ``on_success`` and ``on_finish`` have come, which then come
        again for the next batch of this name. One that is not over is so now: what waits for it is
        woken, as by a failure. How many jobs of the batch there were."""
        storage = self._app.storage
        forget(storage, self.name)
        removed = storage.delete_many(JobFilter(batch=self.name))
        batches.expect(storage.driver, self.name, more=False)
        batches.begin_life(storage.driver, self.name, self._free_life())
        return removed

    def _free_life(self) -> int:
        """The first life of the name whose followers are gone: those that have ended are removed;
        one that runs, or is to come yet, keeps its id."""
        storage = self._app.storage
        known, life = batches.life(storage.driver, self.name), 0
        free: list[int] = []
        while life <= known or not free:
            ids = [batches.follower_id(self.name, role, life) for role in self._after]
            storage.delete_many(JobFilter(ids=ids, states=FINAL))
            if not any(storage.get_many(ids)):
                free.append(life)
            life += 1
        return free[0]

    def __repr__(self) -> str:
        return f"<Batch {self.name}>"


def why(job: Job) -> str:
    """Why a job of a batch has no result."""
    state = job.state
    if isinstance(state, Failed):
        return state.exception
    reason = getattr(state, "reason", None)
    return f"deleted: {reason}" if reason else str(state.kind)

"""The app: tasks, the storage they are enqueued in, and servers to run them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, ParamSpec, Self, TypeVar, overload
from weakref import WeakSet

import attrs

from ..storage.arounds import Around, Before, before
from ..storage.engines import config_of, split_options, storage_class
from ..storage.hooks import Hook, Hooks, Watcher, kind_of
from ..storage.storage import Storage
from ..storage.urls import Config
from ..values import functions
from ..values.errors import ConfigurationError, JobFailed
from ..values.job import Job
from ..values.retry import RetryPolicy, policy_or_none
from ..values.states import Deleted, Failed, Succeeded
from .executor import Middleware
from .naming import MAIN, method_name
from .opening import Opening
from .options import Options
from .recurring import Recurring
from .server import Server
from .shares import Queues
from .task import Task
from .timetable import Declared
from .together import Together

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Hook)
M = TypeVar("M", bound=Middleware)
A = TypeVar("A", bound=Around)
B = TypeVar("B", bound=Before)
W = TypeVar("W", bound=Watcher)


@attrs.frozen
class Served:
    """What a server made here and now works with: its storage, tasks by name, and schedules."""

    storage: Storage
    tasks: Mapping[str, Task[..., Any]]
    declared: Declared


class Qml(Recurring, Together):
    """Tasks and their storage.

    ``url_or_storage``: a URL or configuration as ``connect`` takes it, opened when first needed,
    so that importing a module opens nothing; or a storage. ``retry``: for tasks that have no
    policy of their own, the storage's if there is none. Further options go to ``connect``.
    """

    def __init__(
        self,
        url_or_storage: str | Config | Storage,
        *,
        retry: RetryPolicy | None = None,
        **options: Any,
    ) -> None:
        self.retry = policy_or_none("Qml retry", retry) or RetryPolicy()
        self.tasks: dict[str, Task[..., Any]] = {}
        self.middleware: tuple[Middleware, ...] = ()
        self.declared = {}
        self._servers: WeakSet[Server] = WeakSet()
        self._lock = threading.Lock()
        self._lent: tuple[tuple[Storage], ...] = ()  # by ``using_storage``, the last one counts
        if isinstance(url_or_storage, Storage):
            if options:
                raise ConfigurationError(f"options {', '.join(options)} beside a storage")
            storage = url_or_storage
            self.retry = retry or storage.retry_policy
            self.hooks = storage.hooks
            self._options: dict[str, Any] = {
                "retention": storage.retention,
                "max_job_bytes": storage.max_job_bytes,
            }
            self._opening = Opening(storage)
        else:
            self.hooks = Hooks()
            self._options, settings = split_options(options)
            config = config_of(url_or_storage, settings)
            storage_class(config)  # not the first job, but whoever gives no store, hears of it
            self._opening = Opening(config, lambda: self.storage_options)

    @property
    def storage(self) -> Storage:
        """The storage, connected at the first use."""
        lent = self._lent
        return lent[-1][0] if lent else self._own_storage()

    def _storage_within(self, connection: Any) -> Storage:
        lent = self._lent
        return lent[-1][0] if lent else self._own_storage(connection)

    def _own_storage(self, within: Any = None) -> Storage:
        return self._opening.storage(within)

    @property
    def storage_options(self) -> dict[str, Any]:
        """What ``connect`` was or will be given beside the place: the retry policy, and
        ``retention``, ``max_job_bytes`` and ``clock`` where they are set."""
        return {"retry": self.retry, "hooks": self.hooks, **self._options}

    @contextmanager
    def using_storage(self, storage: Storage) -> Iterator[Self]:
        """Within the block the app's jobs go to ``storage``, in every thread of this process; its
        own storage is neither opened nor closed. For tests. Blocks may be nested: the last one
        counts. Servers keep the storage they were made with."""
        if not isinstance(storage, Storage):
            raise ConfigurationError(
                f"a {type(storage).__name__} is no storage; give one, such as connect('memory://')"
            )
        block = (storage,)
        with self._lock:
            self._lent = (*self._lent, block)
        try:
            with nullcontext() if storage.hooks is self.hooks else storage.hooks.joined(self.hooks):
                yield self
        finally:
            with self._lock:  # this block, not the last: those of two threads end in any order
                self._lent = tuple(other for other in self._lent if other is not block)

    # -- tasks ---------------------------------------------------------------------------------

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(
        self, function: None = None, /, *, name: str | None = None, **options: Any
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...

    def task(
        self,
        function: Callable[P, R] | None = None,
        /,
        *,
        name: str | None = None,
        **options: Any,
    ) -> Task[P, R] | Callable[[Callable[P, R]], Task[P, R]]:
        """Make a function a task: ``@jobs.task`` or ``@jobs.task(queue="mail", ...)``.

        ``name``: in the store, ``module.function`` by default; the options are those of
        ``Task.using``. Two functions of one name are a ConfigurationError.
        """
        given = Options().changed(options)

        def register(function: Callable[P, R]) -> Task[P, R]:
            task = Task(self, function, name or method_name(function), given)
            known = self.tasks.get(task.name)
            if known is not None and not _is_same(known.function, function):
                raise ConfigurationError(
                    f"two tasks are called {task.name!r}; give one of them another: "
                    '@task(name="...")'
                )
            self.tasks[task.name] = task
            return task

        return register if function is None else register(function)

    def policy_of(self, job: Job) -> RetryPolicy:
        """The retry policy of a job: its task's, or else the app's."""
        task = self.tasks.get(job.method)
        return (task and task.retry) or self.retry

    # -- hooks -----------------------------------------------------------------------------------

    def on(self, kind: str | None) -> Callable[[H], H]:
        """Have a function called with each ``Event`` of a kind (None = all) that this process
        brings about: ``@jobs.on("failed")``. What it raises is logged and harms no job."""

        found = kind_of(kind)

        def register(hook: H) -> H:
            self.hooks.on(found, hook)
            return hook

        return register

    def before_enqueue(self, function: B) -> B:
        """Have a function called with each job that is about to be enqueued; the job it returns is
        stored: of the same id, otherwise as it likes. What it raises stops the enqueue, in the
        caller, and nothing is stored. See :doc:`events` for where it is called and where not."""
        self.hooks.around_enqueue(before(function))
        return function

    def around_enqueue(self, function: A) -> A:
        """Have a function called around each enqueue, with the list of jobs that are about to be
        stored in one step and the call that stores them, which it makes once, with these jobs or
        changed ones, and which returns the jobs as stored. Else as ``before_enqueue``."""
        self.hooks.around_enqueue(function)
        return function

    def around(self, middleware: M) -> M:
        """Have a function called around each run in this app's servers, with the ``CurrentJob``
        and the call to make, whose value it returns. What it raises, the run raises."""
        functions.check("what around takes", middleware)
        self.middleware = (*self.middleware, middleware)
        return middleware

    def watch(self, watcher: W) -> W:
        """Have a function called around each run from the server's side: with the job and the call
        that runs it, which answers nothing. In the server's process also when the task has one of
        its own. It is no part of the run: what it raises is logged and harms no job."""
        self.hooks.watch(watcher)
        return watcher

    # -- results and servers -------------------------------------------------------------------

    def result(self, job: Job | str, timeout: float | None = None) -> Any:
        """The value a job's task returned, once it is done.

        ``job``: the job or its id; ``timeout``: seconds to wait, None = no limit. JobFailed when
        it failed for good or was deleted, WaitTimeout, JobNotFound.
        """
        if not isinstance(job, Job | str):
            raise ConfigurationError(f"result of {job!r}: give a job, or the id of one")
        done = self.storage.wait(job if isinstance(job, str) else job.id, timeout)
        state = done.state
        if isinstance(state, Succeeded):
            return state.result
        if isinstance(state, Failed):
            attempts = "1 attempt" if done.attempt == 1 else f"{done.attempt} attempts"
            why = f"failed after {attempts}: {state.exception}\n{state.stack_trace}"
        else:
            reason = isinstance(state, Deleted) and state.reason
            why = f"was deleted: {reason}" if reason else "was deleted"
        raise JobFailed(f"job {done.id} ({done.method}) {why}", job_id=done.id)

    def server(
        self,
        threads: int | None = None,
        queues: Queues = None,
        lease_seconds: float = 30.0,
        poll_interval: float = 1.0,
        grace_seconds: float = 30.0,
        name: str | None = None,
        max_jobs: int | None = None,
        max_memory_mb: float | None = None,
    ) -> Server:
        """A server for this app's tasks, of 8 threads unless told otherwise, not started yet: see
        ``Server``."""
        served = self.served()
        server = Server(
            served.storage,
            served.tasks,
            self.policy_of,
            threads=threads,
            queues=queues,
            lease_seconds=lease_seconds,
            poll_interval=poll_interval,
            grace_seconds=grace_seconds,
            name=name,
            declared=served.declared,
            max_jobs=max_jobs,
            max_memory_mb=max_memory_mb,
        )
        with self._lock:
            self._servers.add(server)
        return server

    @property
    def servers(self) -> tuple[Server, ...]:
        """Those that were made of this app in this process, and are in use."""
        with self._lock:
            return tuple(self._servers)

    def served(self) -> Served:
        """What a server made here and now works with."""
        return Served(self.storage, self.tasks, self.declared)

    def close(self) -> None:
        """Close the app's storage, if it was opened. One that the app opened itself is opened anew
        should it be needed again."""
        self._opening.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _is_same(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two functions are one, defined again: a cell run twice, a script imported too."""
    return one.__qualname__ == other.__qualname__ and (
        one.__module__ == other.__module__
        or not {one.__module__, other.__module__}.isdisjoint(MAIN)
    )

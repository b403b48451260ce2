"""A task: a function that can also be called later."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from ..storage.storage import Storage
from ..values.errors import ConfigurationError, InvalidArguments
from ..values.followup import Followup
from ..values.job import Job
from ..values.retry import RetryPolicy
from .executor import Middleware
from .failing import Fate
from .naming import check_importable
from .options import Options

P = ParamSpec("P")
R = TypeVar("R")


class App(Protocol):
    """What a task needs of its app."""

    retry: RetryPolicy

    @property
    def middleware(self) -> Sequence[Middleware]:
        """What goes around each run."""
        ...

    @property
    def storage(self) -> Storage:
        """Where its jobs are stored."""
        ...


class Task(Generic[P, R]):
    """A function with a name in the store. Calling it directly just calls the function.

    ``name``: by which the store knows it; ``function``; ``options``: how its jobs are enqueued.
    """

    def __init__(
        self,
        app: App,
        function: Callable[P, R],
        name: str,
        options: Options,
    ) -> None:
        if inspect.iscoroutinefunction(function):
            raise ConfigurationError(
                f"task {name} is an async function, which threads cannot call; make it a plain one "
                "that calls asyncio.run"
            )
        if options.process:
            check_importable(name, function)
        self.app = app
        self.function = function
        self.name = name
        self.options = options
        try:
            self._signature = inspect.signature(function)
        except ValueError as error:
            raise ConfigurationError(
                f"task {name}: {error}; wrap it in a function of your own"
            ) from error
        update_wrapper(cast("Callable[P, R]", self), function)

    @property
    def retry(self) -> RetryPolicy | None:
        """The task's own retry policy; None = the app's."""
        return self.options.retry

    @property
    def middleware(self) -> Sequence[Middleware]:
        """What goes around each run: the app's."""
        return self.app.middleware

    def fate(self, error: BaseException, attempt: int) -> Fate:
        """What an exception in this attempt means for the job."""
        return self.options.fate(error, attempt)

    def followup(self) -> Followup:
        """What is enqueued where this task is the ``on_failure`` of another."""
        options = self.options
        retries = options.max_retries
        if retries is None:
            retries = (options.retry or self.app.retry).max_retries
        return Followup(
            self.name, options.queue, options.priority, retries, options.timeout_seconds
        )

    @property
    def process(self) -> bool:
        """Whether its jobs run in a spawned process."""
        return self.options.process

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function now, here."""
        return self.function(*args, **kwargs)

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Have the function called by a server; the stored job.

        InvalidArguments when the arguments do not fit the signature, SerializationError when JSON
        cannot keep them, UniqueKeyTaken, StorageUnavailable.
        """
        return self.app.storage.enqueue(self.job(*args, **kwargs))

    def enqueue_many(self, calls: Iterable[Any]) -> list[Job]:
        """Enqueue one job per call, all or none: each a tuple of arguments, or a dict of keyword
        arguments. Errors as for ``enqueue``."""
        return self.app.storage.enqueue_many([self._job_of(call) for call in calls])

    def check(self, *args: Any, **kwargs: Any) -> None:
        """InvalidArguments, if these do not fit the function's signature."""
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArguments(f"{self.name}{self._signature}: {error}") from None

    def job(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """The job that ``enqueue`` would store."""
        self.check(*args, **kwargs)
        storage = self.app.storage
        policy = None if self.app.retry is storage.retry_policy else self.app.retry
        return self.options.job(self.name, list(args), dict(kwargs), storage.now(), policy)

    def _job_of(self, call: Any) -> Job:
        make = cast("Callable[..., Job]", self.job)
        if isinstance(call, tuple | list):
            return make(*call)
        if isinstance(call, Mapping):
            return make(**call)
        raise InvalidArguments(
            f"{self.name}.enqueue_many: {call!r} is no call; give a tuple of arguments, such as "
            f"({call!r},), or a dict of keyword arguments"
        )

    def using(self, **options: Any) -> "Task[P, R]":
        """This task with other options for the jobs enqueued through it.

        ``run_after`` (seconds, timedelta or aware datetime), ``queue``, ``priority``,
        ``max_retries`` (None = the retry policy decides), ``retry``, ``timeout_seconds`` (None =
        no limit), ``expires_after`` (seconds or timedelta, from when the job may start: no
        attempt starts later), ``retention`` (a Retention, or seconds), ``on_failure`` (a task that
        is enqueued with the job's id and exception when it has failed for good),
        ``unique_key``, ``unique_while``, ``metadata``, ``job_type``, ``id``.

        Said once, in ``@task``, since servers go by the task: ``retry_on`` (exception classes worth
        another attempt, or a dict from classes to retry policies, which say after how long and how
        often at most), ``give_up_on`` (classes that end the job at once) and ``process``.
        """
        for name in ("process", "retry_on", "give_up_on"):
            if name in options:
                raise ConfigurationError(
                    f"task {self.name}: {name} is said once, in @task; servers go by the task"
                )
        return Task(self.app, self.function, self.name, self.options.changed(options))

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

"""A task: a function that can also be called later."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from ..storage.storage import Storage
from ..values import functions
from ..values.alike import Alike, Call
from ..values.alike import call as job_call
from ..values.errors import ConfigurationError, InvalidArguments, SerializationError
from ..values.followup import Followup
from ..values.job import Job
from ..values.retry import RetryPolicy
from . import chaining
from .calls import Calls
from .executor import Middleware
from .failing import Fate
from .keys import Keys
from .naming import check_importable
from .options import NOTHING, Options
from .tx import check_fits

P = ParamSpec("P")
R = TypeVar("R")

Parts = tuple[Sequence[Any], Mapping[str, Any]]
"""Arguments and kwargs of a call."""


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

    def storage_for(self, connection: Any) -> Storage:
        """The same, for jobs that are to be part of the transaction of ``connection``."""
        ...

    @property
    def map(self) -> Callable[..., Iterator[Any]]:
        """Calls a task for each input."""
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
        connection: Any = None,
        calls: Calls | None = None,
    ) -> None:
        functions.check(f"task {name}", function)
        if options.process:
            check_importable(name, function)
        self.app = app
        self.function = function
        self.name = name
        self.options = options
        self._connection = connection
        self._calls = calls = calls or Calls(name, function)
        self.tx = calls.tx
        if self.tx is not None:
            check_fits(name, process=options.process)
        self._like = options.like(name)
        self._keys = Keys(name, calls.signature, options.unique_by, options.templates)
        self._are_alike = options.are_alike and not self._keys
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
        """What is enqueued where this task is the ``on_failure`` of another. ConfigurationError
        when it cannot be called so."""
        chaining.check_failure(self.name, self._calls.signature)
        return self._followup(*((("?", told), {}) for told in ("?", "!")))

    def _followup(self, *calls: chaining.Call) -> Followup:
        made = [self._keys.of(self._calls.bound(*call)) if self._keys else {} for call in calls]
        [like] = self.options.jobs(self._like, [([], {}, made[0])], 0, self.app.retry)
        return chaining.followup(like, made)

    def then(self, task: "Task[..., Any]", /, *args: Any, **kwargs: Any) -> "Task[P, R]":
        """This task with ``task`` to come after each of its jobs that succeeds: enqueued in the
        same step, with these arguments; and with the result of this one, if it has a parameter
        ``result`` that is not given. ``a.then(b).then(c)`` is a chain: c comes after b. It ends
        where one fails. ConfigurationError when the arguments do not fit."""
        needs_task("what then takes", task)
        chain = chaining.appended(self.options.on_success, task.step(args, kwargs))
        return self.using(on_success=chain)

    def step(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Followup:
        """This task as a step of a chain, with these arguments."""
        asks = chaining.asks_for_result(self.name, self._calls.signature, args, kwargs)
        calls = [(args, {**kwargs, chaining.RESULT: n} if asks else kwargs) for n in (0, 1)]
        return chaining.called(self._followup(*calls), args, kwargs, asks)

    @property
    def process(self) -> bool:
        """Whether its jobs run in a spawned process."""
        return self.options.process

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function now, here."""
        return self.function(*args, **kwargs)

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Have the function called by a server; the stored job. With ``on_conflict="existing"`` or
        "replace" that may be one that was there before: its id tells.

        InvalidArguments when the arguments do not fit the signature, SerializationError when JSON
        cannot keep them, UniqueKeyTaken, StorageUnavailable.
        """
        storage = self._storage()
        return self._store(storage, self._jobs(storage, self._taken(args, kwargs)))[0]

    def enqueue_many(self, calls: Iterable[Any]) -> list[Job]:
        """Enqueue one job per call, all or none: each a tuple of arguments, or a dict of keyword
        arguments. Errors as for ``enqueue``."""
        storage = self._storage()
        taken: list[Call] = []
        try:
            self._take(map(self._parts, calls), taken)
        except (InvalidArguments, SerializationError) as error:
            which = f"{self.name}.enqueue_many, call {len(taken)} of those given (the first is 0)"
            raise type(error)(f"{which}: {error}; none was stored") from error.__cause__
        return self._store(storage, self._jobs(storage, taken))

    def _store(self, storage: Storage, jobs: Alike | list[Job]) -> list[Job]:
        on_conflict = self.options.on_conflict
        if self._connection is None:
            return storage.enqueue_many(jobs, on_conflict=on_conflict)
        if on_conflict != "raise":
            raise ConfigurationError(
                f"task {self.name}: on_conflict is {on_conflict!r}, and in a transaction of yours "
                "qml changes no other job; give on_conflict='raise', or enqueue without connection"
            )
        return storage.enqueue_in(self._connection, jobs)

    def _storage(self) -> Storage:
        within = self._connection
        return self.app.storage if within is None else self.app.storage_for(within)

    def check(self, /, *args: Any, **kwargs: Any) -> None:
        """InvalidArguments, if these do not fit the function's signature."""
        self._calls.check(args, kwargs)

    def job(self, /, *args: P.args, **kwargs: P.kwargs) -> Job:
        """The job that ``enqueue`` would store."""
        [job] = self._jobs(self._storage(), self._taken(args, kwargs))
        return job

    def _take(self, given: Iterable[Parts], taken: list[Call]) -> None:
        """The calls as jobs keep them. Each as it comes: who gives them may go on with the same
        list. After an error ``taken`` has those before it."""
        for parts in given:
            taken.append(job_call(*parts, self._made(*parts)))

    def _taken(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Call]:
        made = self._made(args, kwargs)
        try:
            return [job_call(args, kwargs, made)]
        except SerializationError as error:
            raise SerializationError(f"{self.name}: {error}") from error.__cause__

    def _jobs(self, storage: Storage, calls: list[Call]) -> Alike | list[Job]:
        if self.tx is not None and not storage.transactional:
            raise ConfigurationError(
                f"task {self.name} takes tx, and {storage.driver.describe()} has no transactions; "
                "use sqlite:///... or postgresql://..., or write without tx"
            )
        policy = None if self.app.retry is storage.retry_policy else self.app.retry
        now = storage.clock.micros()
        if self._are_alike and policy is None and calls:
            return Alike(self._like, calls, now)
        return self.options.jobs(self._like, calls, now, policy)

    def _made(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Mapping[str, str]:
        """The keys made from the arguments of a call, which is checked."""
        if self._are_alike or not self._keys:
            self._calls.check(args, kwargs)
            return NOTHING
        return self._keys.of(self._calls.bound(args, kwargs))

    def _parts(self, call: Any) -> Parts:
        if isinstance(call, tuple | list):
            return call, NOTHING
        if isinstance(call, Mapping):
            return (), call
        raise InvalidArguments(
            f"{call!r} is no call; give a tuple of arguments, such as ({call!r},), or a dict of "
            "keyword arguments"
        )

    def map(self, inputs: Iterable[Any], **options: Any) -> Iterator[R]:
        """Call the task for each input by jobs, and give the results out in their order; run again
        with the same ``batch="name"`` it goes on where it stopped. See ``Qml.map``."""
        return self.app.map(self, inputs, **options)

    def call(self, value: Any) -> Job:
        """The job of one input of a map."""
        return cast("Callable[..., Job]", self.job)(value)

    def using(self, **options: Any) -> "Task[P, R]":
        """This task with other options for the jobs enqueued through it.

        ``run_after`` (seconds, timedelta or aware datetime; or jobs that have to end before), with
        ``if_failed`` ("cancel" it when one of those does not succeed, or "run" it), ``queue``,
        ``priority``,
        ``max_retries`` (None = the retry policy decides), ``retry`` (how many; after how long,
        servers ask the task), ``timeout_seconds`` (None = no limit), ``expires_after`` (seconds or
        timedelta, from when the job may start: no attempt starts later), ``retention`` (a
        Retention, or seconds), ``on_failure`` (a task that
        is enqueued with the job's id and exception when it has failed for good),
        ``unique_key``, ``unique_while``, ``unique_by`` (a key made from these arguments; True =
        from all), ``on_conflict`` ("raise", "existing", "replace": what to do when the key is
        held), ``concurrency_limit`` and ``rate`` (of the task, or of a ``concurrency_key`` and a
        ``rate_key``, which may name parameters: "user:{user_id}"), ``batch``, ``metadata``,
        ``job_type``, ``id``.
        ``connection``: enqueue in its transaction, see ``Qml.enqueue_in``.

        Said once, in ``@task``, since servers go by the task: ``retry_on`` (exception classes worth
        another attempt, or a dict from classes to retry policies, which say after how long and how
        often at most), ``give_up_on`` (classes that end the job at once) and ``process``.
        """
        for name in ("process", "retry_on", "give_up_on"):
            if name in options:
                raise ConfigurationError(
                    f"task {self.name}: {name} is said once, in @task; servers go by the task"
                )
        connection = options.pop("connection", self._connection)
        changed = self.options.changed(options)
        return Task(self.app, self.function, self.name, changed, connection, self._calls)

    def __repr__(self) -> str:
        return f"<Task {self.name}>"


def needs_task(what: str, given: object) -> None:
    """ConfigurationError for what is no task, such as a function that was not declared as one."""
    if not isinstance(given, Task):
        raise ConfigurationError(f"{what} is {given!r}; give a task, made by @jobs.task")

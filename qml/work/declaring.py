"""Schedules that code declares: a rule, a task and its arguments, made known by a server."""

from typing import Any, Protocol, TypeVar

import attrs

from ..values.cron import Cron
from ..values.errors import ConfigurationError
from ..values.job import Job
from ..values.jobfields import check_names
from ..values.schedule import Every, Schedule
from .task import Task

T = TypeVar("T")

OPTIONS = ("catch_up", "overlap", "spread")


@attrs.frozen
class Declaration:
    """A schedule of the code. ``options``: those of a ``Schedule``."""

    name: str
    rule: Cron | Every
    task: Task[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]

    def __attrs_post_init__(self) -> None:
        unknown = ", ".join(sorted(set(self.options) - set(OPTIONS)))
        if unknown:
            raise ConfigurationError(
                f"unknown option {unknown} of a schedule; there are name, args, kwargs, "
                f"{', '.join(OPTIONS)}. How its jobs are run, the options of its task say"
            )
        if self.task.options.run_after is not None:
            raise ConfigurationError(
                f"schedule {self.name} of task {self.task.name} with run_after: a slot's job is "
                "due at the slot; leave run_after out"
            )
        self.task.check(*self.args, **self.kwargs)
        queue = self.task.options.queue
        job = Job(self.task.name, [*self.args], self.kwargs, queue=queue)
        self.like(job)
        check_names(attrs.evolve(job, schedule=self.name))

    def like(self, job: Job) -> Schedule:
        """The schedule, whose jobs are like ``job``."""
        return Schedule(name=self.name, rule=self.rule, job=job, declared=True, **self.options)

    def __call__(self) -> Schedule:
        """The schedule; its storage is asked for the time, and so opened."""
        return self.like(self.task.job(*self.args, **self.kwargs))


class App(Protocol):
    """What a declaration needs of its app."""

    declared: dict[str, Declaration]

    def task(self, function: Any, /) -> Any:
        """Make a function a task."""
        ...


class Declare:
    """What ``jobs.cron`` and ``jobs.every`` return: give it a task, or a function to make one."""

    def __init__(
        self,
        app: App,
        rule: Cron | Every,
        name: str | None,
        call: tuple[tuple[Any, ...], dict[str, Any]],
        options: dict[str, Any],
    ) -> None:
        self._app = app
        self._rule = rule
        self._name = name
        self._call = call
        self._options = options

    def __call__(self, task: T) -> T:
        """Declare the schedule. InvalidArguments, if the arguments do not fit the task;
        SerializationError, if JSON cannot hold them."""
        found = task if isinstance(task, Task) else self._app.task(task)
        name = self._name or found.name
        made = Declaration(name, self._rule, found, *self._call, self._options)
        known = self._app.declared.get(name)
        if known is not None and (known.task.name, known.rule) != (found.name, self._rule):
            raise ConfigurationError(
                f"two schedules are called {name!r}; give one of them another: name=..."
            )
        self._app.declared[name] = made
        return found

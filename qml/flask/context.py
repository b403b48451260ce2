"""Runs each job, and what is told of it, in an app context of its own."""

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask

from ..storage.hooks import Event, Hooks
from ..storage.storage import Storage
from ..values.interrupts import is_for_the_program
from ..values.retry import RetryPolicy
from ..work.context import CurrentJob
from ..work.executor import Middleware
from ..work.task import Task

if TYPE_CHECKING:
    from .extension import QmlFlask

log = logging.getLogger("qml.flask")


class InAppContext:
    """Goes around each run, outside of everything else that does. ``app``: whose context; None =
    the only one there is, as in a spawned process."""

    def __init__(self, jobs: "QmlFlask", app: Flask | None = None) -> None:
        self._jobs = jobs
        self._app = app

    def __call__(self, current: CurrentJob, call: Callable[[], Any]) -> Any:
        """Call it in a fresh app context, which is torn down afterwards, whatever comes of it."""
        __tracebackhide__ = True
        app = self._app or self._jobs.app_to_run_in()
        with app.app_context():
            return call()


class HooksInApp(Hooks):
    """The hooks of a QmlFlask as the storage of one app tells them: each event within a fresh
    context of that app, which is torn down afterwards, so that nothing is left in the caller's."""

    def __init__(self, app: Flask, hooks: Hooks) -> None:
        super().__init__()
        self._app = app
        self._joined = (hooks,)

    def _tell(self, event: Event) -> None:
        try:
            with self._app.app_context():
                super()._tell(event)
        except BaseException as error:  # of a teardown function; not a hook's own
            if is_for_the_program(error):
                raise
            log.exception("the context of a hook on %s could not be torn down", event.kind)


class InApp:
    """What a task needs of its app, for runs of one Flask app's server."""

    def __init__(self, jobs: "QmlFlask", app: Flask, storage: Storage) -> None:
        self._jobs = jobs
        self._around = InAppContext(jobs, app)
        self.storage = storage
        self.retry: RetryPolicy = jobs.retry

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """What goes around each run: first of all the context of this app."""
        return (self._around, *self._jobs.middleware[1:])

    def storage_for(self, connection: Any) -> Storage:
        """The same: it is open."""
        return self.storage

    @property
    def map(self) -> Callable[..., Iterator[Any]]:
        """Calls a task for each input."""
        return self._jobs.map


def in_app(task: Task[..., Any], app: InApp) -> Task[..., Any]:
    """The task as the server of one Flask app runs it."""
    mine = copy.copy(task)
    mine.app = app
    return mine


class TasksInApp(Mapping[str, Task[..., Any]]):
    """The tasks of a QmlFlask as the server of one Flask app runs them; those that come later are
    there, too."""

    def __init__(self, tasks: Mapping[str, Task[..., Any]], app: InApp) -> None:
        self._tasks = tasks
        self._app = app
        self._made: dict[str, tuple[Task[..., Any], Task[..., Any]]] = {}

    def __getitem__(self, name: str) -> Task[..., Any]:
        task = self._tasks[name]
        known = self._made.get(name)
        if known is None or known[0] is not task:
            known = self._made[name] = (task, in_app(task, self._app))
        return known[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

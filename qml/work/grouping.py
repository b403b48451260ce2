"""What an app says of groups of jobs: batches, maps, queues."""

from collections.abc import Iterable, Iterator, Sized
from typing import Any, ParamSpec, TypeVar

from ..storage.queues import Queues
from ..storage.storage import Storage
from ..values.errors import ConfigurationError
from ..values.ids import new_id
from .batch import Batch
from .mapper import Mapper
from .mapping import Plan
from .mapreport import Report
from .progress import Progress
from .server import Server
from .task import Task, needs_task

P = ParamSpec("P")
R = TypeVar("R")


class Grouping:
    """The part of an app for many jobs at a time."""

    @property
    def storage(self) -> Storage:
        """Where they are."""
        raise NotImplementedError

    def server(self, threads: int = 8, queues: Any = None) -> Server:
        """A server for the app's tasks."""
        raise NotImplementedError

    @property
    def queues(self) -> Queues:
        """The queues of the store: to pause, resume and list them."""
        return self.storage.queues

    def batch(
        self,
        name: str,
        *,
        on_success: Task[..., Any] | None = None,
        on_finish: Task[..., Any] | None = None,
    ) -> Batch:
        """The batch of this name: a group of jobs, and what comes after all of them. Take it with
        ``with`` to put jobs into it: ``with jobs.batch("nightly", on_finish=report) as batch:``."""
        return Batch(self, name, on_success, on_finish)

    def batch_closed(self) -> None:
        """Told when a batch has been closed: what comes after it may be due. Servers look."""

    def map(
        self,
        task: Task[P, R],
        inputs: Iterable[Any],
        *,
        batch: str | None = None,
        threads: int = 8,
        server: Server | None = None,
        progress: bool = False,
        return_failures: bool = False,
        window: int | None = 1_000,
        retry_failed: bool = False,
        forget: bool = False,
        on_success: Task[..., Any] | None = None,
        on_finish: Task[..., Any] | None = None,
    ) -> Iterator[R]:
        """Call ``task`` with each of ``inputs`` as its argument, by jobs in the store, and give the
        results out in the order of the inputs, as they come.

        ``batch``: a name by which it goes on when it is run again, after a crash or Ctrl-C: what is
        done is not done again, as long as its job is kept (``retention``). The same input has to
        come at the same place; another one there is run anew. None = a new name. ``threads``: of a
        server that runs beside, for the queues of these tasks; 0 = leave it to others, who may take
        part in any case. ``server``: one of your own instead, not started yet.

        A failure ends nothing: all others are run, but no result behind it is given out, and at the
        end BatchFailed tells of all. With ``return_failures`` a JobFailed stands in its place.
        ``retry_failed``: have those run again that failed in an earlier run.

        ``window``: how many jobs may be in the store whose results were not given out, so that
        endless inputs are neither in memory nor in the store at once; None = all. ``forget``:
        remove jobs once their results were given out; a later run begins behind them.
        ``progress``: tell on stderr how far it is. ``on_success``, ``on_finish``: see ``batch``.

        Ctrl-C lets running jobs end and hands the rest back; a second one hands those back, too.
        """
        named = batch is not None
        plan = Plan(window=window, retry_failed=retry_failed, forget=forget, named=named)
        needs_task("map's task", task)
        if server is not None and not isinstance(server, Server):
            raise ConfigurationError(f"server is {server!r}; give one made by jobs.server(...)")
        name = new_id() if batch is None else batch
        group = self.batch(name, on_success=on_success, on_finish=on_finish)
        total = len(inputs) if isinstance(inputs, Sized) else None
        report = Report(group.name, total, Progress() if progress else None)
        tasks = [one for one in (task, on_success, on_finish) if one is not None]
        queues = sorted({one.options.queue for one in tasks})
        if server is None and threads:
            server = self.server(threads, queues)
        mapper = Mapper(self.storage, task, group, plan, server, report)
        return mapper.results(inputs, return_failures=return_failures)

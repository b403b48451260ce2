"""Carries a map out: feeds the inputs, runs a server beside, and gives the results out in order."""

import atexit
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from ..storage.storage import Storage
from ..values.errors import JobNotFound, WaitTimeout
from ..values.job import Job
from ..values.states import Succeeded
from .batch import Batch
from .enduring import Enduring
from .interrupts import Interrupts
from .mapping import Feed, Mapped, Place, Plan, forget
from .mapreport import Report
from .server import Server

Results = Generator[Any, None, None]

LOOK_AGAIN = 0.25
"""Seconds after which it looks again, hint or no hint."""


class Mapper:
    """One map over ``inputs``. ``server`` runs the jobs beside; None = others do."""

    def __init__(
        self,
        storage: Storage,
        task: Mapped,
        batch: Batch,
        plan: Plan,
        server: Server | None,
        report: Report,
    ) -> None:
        self._storage = storage
        self._task = task
        self._batch = batch
        self._plan = plan
        self._server = server
        self._report = report
        self._is_left = False
        self._at_exit: Callable[[], None] = lambda: None

    def results(self, inputs: Iterable[Any], *, return_failures: bool) -> Iterator[Any]:
        """The results in the order of the inputs. What failed is given out as a JobFailed with
        ``return_failures``; else nothing is given out from the first failure on, all others are
        still run, and BatchFailed is raised at the end."""
        results = self._results(inputs, return_failures)
        self._at_exit = partial(_close, weakref.ref(results))
        return results

    def _results(self, inputs: Iterable[Any], return_failures: bool) -> Results:
        with ExitStack() as stack:
            interrupts = stack.enter_context(Interrupts())
            enduring = Enduring(f"map {self._batch.name}", interrupts.look)
            stack.callback(self._report.end)
            stack.enter_context(self._running())
            enduring(self._batch.open)
            read = _read(inputs, interrupts)
            feed = Feed(self._storage, self._task, self._batch.name, read, self._plan, enduring)
            stack.callback(feed.forget)
            for place, value in self._ended(feed, interrupts, enduring):
                if return_failures or not self._report.failed:
                    with interrupts.aside():
                        yield value
                    feed.gave(place)
            self._finish(interrupts, enduring)
            is_short = self._report.failed and not return_failures
            if self._plan.forget and not self._plan.named and not is_short:
                feed.forget()
                enduring(forget, self._storage, self._batch.name)  # nobody goes on with it
        if is_short:
            raise self._report.error()

    def _ended(
        self, feed: Feed, interrupts: Interrupts, enduring: Enduring
    ) -> Iterator[tuple[Place, Any]]:
        complete = False
        while True:
            interrupts.look()
            feed.fill()
            if feed.over and not complete:
                complete = True
                enduring(self._batch.close)
            before = self._report.done
            for place, job in feed.ended():
                yield place, self._came(place, job)
                self._report.show(place.number + 1 + len(feed.waiting))
                interrupts.look()
            if complete and not feed.waiting:
                return
            if self._report.done == before:
                feed.forget()
                self._look_at_server()
                enduring(self._storage.driver.wait, LOOK_AGAIN)

    def _look_at_server(self) -> None:
        server = self._server
        if server is None or self._is_left or not (server.retired or server.draining):
            return
        self._is_left = True
        self._report.say(
            f"its server takes no more jobs ({server.retired or 'it was told to drain'}); the rest "
            "waits for others: start qml run, or end this and run it again"
        )

    def _came(self, place: Place, job: Job) -> Any:
        """The result, or the error that stands for it."""
        if isinstance(job.state, Succeeded):
            self._report.succeeded()
            return job.state.result
        return self._report.failure(place, job)

    def _finish(self, interrupts: Interrupts, enduring: Enduring) -> None:
        """Have what comes after the batch run, too, if there is a server to do it."""
        for job_id in self._batch.followers() if self._server is not None else ():
            while True:
                interrupts.look()
                try:
                    enduring(self._storage.wait, job_id, LOOK_AGAIN)
                except WaitTimeout:
                    enduring(self._batch.close)  # another run may have opened it, and be dead
                    self._look_at_server()
                    continue
                except JobNotFound:
                    pass
                break

    @contextmanager
    def _running(self) -> Iterator[None]:
        """The server's life. Ctrl-C lets what runs end; another one does not wait for that."""
        server = self._server
        if server is not None:
            server.start()
        atexit.register(self._at_exit)
        try:
            yield
        except KeyboardInterrupt:
            self._interrupted(server)
            raise
        finally:
            atexit.unregister(self._at_exit)
            if server is not None:
                server.stop()

    def _interrupted(self, server: Server | None) -> None:
        self._report.end()
        try:
            if server is not None:
                self._report.say(
                    f"stopping: running jobs have {server.grace_seconds:g} s to end; Ctrl-C again "
                    "hands them back"
                )
                server.stop()
        except KeyboardInterrupt:
            if server is not None:
                server.stop(0.0)
        self._report.say(
            f"stopped. The results of {self._report.done:,} inputs were given out, and what ended "
            f"since is kept: run the same again, with batch={self._batch.name!r}, to go on; other "
            "servers go on by themselves"
        )


def _read(inputs: Iterable[Any], interrupts: Interrupts) -> Iterator[Any]:
    """The inputs, whose own code may take long, and is not to be without Ctrl-C meanwhile."""
    source, end = iter(inputs), object()
    while True:
        with interrupts.aside():
            value = next(source, end)
        if value is end:
            return
        yield value


def _close(ref: "weakref.ref[Results]") -> None:
    """At the end of a program that left a map where it was: later its server has no threads."""
    results = ref()
    if results is not None:
        with suppress(ValueError):  # another thread is at it
            results.close()

"""The one task of a simulation, during which much may happen."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from ...values.notes import NO_NOTES
from ...values.retry import RetryPolicy
from ...values.states import Processing
from ...work.control import Discard, Retry, Snooze
from ...work.executor import Middleware
from ...work.failing import Fate
from ...work.runs import Run
from .mishaps import DEEPEST
from .parties import LEASE, Died, SimulatedServer

if TYPE_CHECKING:
    from .world import World


ENDS = ("succeeds", "raises", "asks for a retry", "snoozes", "discards itself")


@attrs.frozen
class Task:
    """What an executor needs."""

    function: Callable[..., Any]
    retry: RetryPolicy | None = None
    middleware: Sequence[Middleware] = ()

    def fate(self, error: BaseException, attempt: int) -> Fate:
        """Any exception is worth another attempt."""
        return Fate()


class Tasks(dict[str, Task]):
    """The tasks of all servers. The runs under way are on a stack, since others may run while one
    runs."""

    def __init__(self, world: "World") -> None:
        super().__init__(task=Task(self._perform))
        self._world = world
        self._told: list[tuple[SimulatedServer, Run, int]] = []

    @contextmanager
    def told(self, server: SimulatedServer, run: Run) -> Iterator[None]:
        """Within, a thread of ``server`` begins and ends this run."""
        self._told.append((server, run, self._world.clock.micros()))
        try:
            yield
        finally:
            self._told.pop()

    def _perform(self, *arguments: Any) -> str:
        world = self._world
        server, run, asked_at = self._told[-1]
        self._check_claim(server, run, asked_at)
        while world.depth < DEEPEST and world.pick((False, False, True)):
            world.take_any()
            server.go_on()
        mark = f"(claim {server.name}/{run.job.fence})"
        if world.pick((False, False, False, True)):
            self._note(server, run, mark)
        ends = world.pick(ENDS)
        if ends == "raises":
            raise ValueError(mark)
        if ends == "asks for a retry":
            raise Retry(mark, delay=5.0)
        if ends == "discards itself":
            raise Discard(mark)
        if ends == "snoozes":
            raise Snooze(7.0)
        return mark

    def _note(self, server: SimulatedServer, run: Run, mark: str) -> None:
        """As a task does that tells how far it is, whether its claim holds the job still or not."""
        notes = NO_NOTES.with_progress(0.5, mark, self._world.clock.now())
        try:
            server.storage.note(run.job, notes, LEASE)
        except Died:  # not to be taken for an error of the task
            self._world.replace(server)
            raise

    def _check_claim(self, server: SimulatedServer, run: Run, asked_at: int) -> None:
        """A task begins under a claim that lasted when the server began to ask, or was renewed
        since; a machine that slept cannot know."""
        lease = self._world.store.leases.get((run.job.seq, server.name, run.job.fence), 0)
        if lease <= asked_at and not server.slept:
            self._world.store.broken(
                f"A task begins only while its claim lasts: {server.name} begins {run.job.id}, "
                f"and its lease has ended {(asked_at - lease) / 1e6:g} s ago"
            )
        expires, claimed = run.job.expires_at, run.job.state
        if (
            expires is not None
            and isinstance(claimed, Processing)
            and claimed.started_at >= expires
        ):
            self._world.store.broken(
                f"What has expired is not started: {server.name} begins {run.job.id}, claimed "
                f"{(claimed.started_at - expires).total_seconds():g} s after its time"
            )

"""Claims jobs for a server, and gives them back."""

import logging
from collections.abc import Sequence
from typing import Protocol

from ..storage.claims import Batch
from ..storage.storage import Storage
from ..values.clock import Steady
from ..values.errors import JobLost, StorageError
from .runs import Run, Runs, Writer

log = logging.getLogger("qml.server")


class Claimant(Protocol):
    """What claims need of a server."""

    storage: Storage
    worker_id: str
    name: str
    queues: tuple[str, ...] | None
    lease_seconds: float
    steady: Steady
    runs: Runs
    noter: Writer


class Claimer:
    """A server's claims: made, entered among its runs, asked for before they begin, given back."""

    def __init__(self, server: Claimant) -> None:
        self._server = server

    def take(
        self, free: int, ahead: int, queues: tuple[str, ...] | None = None
    ) -> tuple[Batch, list[Run]]:
        """Claim, of these queues only (None = of all that are the server's), and enter the runs;
        their leases count from before the claim was asked for, however late it was answered."""
        since = self._server.steady()
        batch = self.claim(free, ahead, queues)
        return batch, self.admit(batch, since)

    def claim(self, free: int, ahead: int, queues: tuple[str, ...] | None = None) -> Batch:
        """The best ``free`` jobs, and ``ahead`` more."""
        server = self._server
        return server.storage.claim(
            server.worker_id,
            free,
            queues or server.queues,
            ahead=ahead,
            lease_seconds=server.lease_seconds,
            server_name=server.name,
        )

    def admit(self, batch: Batch, since: float | None = None) -> list[Run]:
        """The runs of a batch, held from now on; a job whose earlier attempt still runs here has
        to wait for it. ``since``: the steady time from which their leases count; None = now."""
        server = self._server
        runs = [Run(job, server.steady, since, server.noter) for job in batch.jobs]
        server.runs.add(runs)
        too_early = [run for run in runs if server.runs.is_late_here(run.job)]
        if not too_early:
            return runs
        self.hand_back(too_early, delay=1.0)
        return [run for run in runs if run not in too_early]

    def may_begin(self, run: Run) -> bool:
        """Whether the claim holds its job still. One that was not renewed within its term, since
        this process stood still, is asked for; a question without an answer counts as no."""
        lease = self._server.lease_seconds
        if not run.lost and run.steady() - run.renewed_at >= lease:
            try:
                [held] = self._server.storage.renew([run.job], lease)
                run.lost = not held
            except StorageError:
                run.lost = True
        return not run.lost

    def hand_back(self, runs: Sequence[Run], delay: float | None = None) -> None:
        """Jobs go back to the store, uncharged, for others to take, after ``delay`` seconds."""
        if not runs:
            return
        for run in runs:
            run.lost = True  # first: a task that runs is told, and what it returns is not recorded
            run.give_up()
        try:
            answers = self._server.storage.release_many([run.job for run in runs], delay)
        except StorageError as error:
            answers = []
            log.warning("%s; %d jobs come back when their leases lapse", error, len(runs))
        for answer in answers:
            if isinstance(answer, JobLost):
                log.warning("%s", answer)
        self._server.runs.remove(runs)

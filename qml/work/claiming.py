"""The loop that claims jobs for a server, until there is a reason not to."""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ..storage.claims import Batch
from ..storage.storage import Storage
from ..values.errors import StorageError
from .backoff import Backoff
from .burst import nothing_soon
from .claimer import Claimer
from .finisher import Finisher
from .outage import Outage
from .pulse import Pulse
from .retirement import Retirement
from .rounds import Rounds
from .runs import Run, Runs
from .shares import Share
from .signals import Signals
from .timetable import Timetable

log = logging.getLogger("qml.server")

HOARDED = 0.25
"""Seconds a job may wait, claimed, for a thread; then it is handed back for others to take."""


SOON = 0.25
"""Seconds after which the keeper, if it sleeps, is woken for what runs still: most is over by then,
and none has to wait for that to begin."""


class Claiming(Protocol):
    """What the loop needs of a server."""

    storage: Storage
    worker_id: str
    queues: tuple[str, ...] | None
    poll_interval: float
    shares: list[Share]
    runs: Runs
    claimer: Claimer
    finisher: Finisher
    retirement: Retirement
    outage: Outage
    timetable: Timetable
    signals: Signals
    keeping: Rounds
    retired: str | None

    def hand_back(self, runs: Sequence[Run]) -> None:
        """Give runs up."""
        ...


class ClaimLoop:
    """Claims what there is room for, or waits for room, or for jobs.

    It ends when ``stopping`` is set; when it was told to ``drain`` or the server retires, once what
    runs has ended; with ``burst``, once nothing is left to do. ``ended``: it was not stopped.
    ``answered``: the store has answered a claim.
    """

    def __init__(self, server: Claiming, stopping: threading.Event) -> None:
        self._server = server
        self._stopping = stopping
        self._draining = threading.Event()
        self.ended = threading.Event()
        self.burst = False
        self.pulse = Pulse()
        self.answered = False

    def drain(self) -> None:
        """Claim nothing more. Whoever may wait has to be woken besides."""
        self._draining.set()

    @property
    def draining(self) -> bool:
        """Whether it was told to."""
        return self._draining.is_set()

    def loop(self) -> None:
        """Claim until the end."""
        backoff = Backoff()
        while not self._stopping.is_set():
            self.pulse.beat(self._server.poll_interval)
            self._keep()
            try:
                if self._retires() or self._once():
                    self.ended.set()
                    self._server.signals.wake()
                    break
                if backoff.tries:
                    backoff.reset()
            except Exception as error:
                pause = backoff.next()
                if isinstance(error, StorageError):
                    self._server.outage.failed("claiming", error, pause)
                else:
                    log.exception("claiming failed: %s; trying again in %.1f s", error, pause)
                self.pulse.beat(pause)
                self._keep()
                self._stopping.wait(pause)
        self._keep()
        self.withdraw()

    def _keep(self) -> None:
        if self._sleeps_on():
            self._server.keeping.wake()

    def _sleeps_on(self) -> bool:
        """Whether the keeper sleeps, while there is something to keep."""
        return self._server.keeping.sleeps and len(self._server.runs) > 0

    def _once(self) -> bool:
        """Claim for each share what it has room for; wait when that was all. True = a burst is
        over."""
        server, shares = self._server, self._server.shares
        idle, issued = self.burst and len(server.runs) == 0, server.timetable.issued
        asked = server.storage.now() if idle else None
        made = [made for share in shares if (made := self._claim(share)) is not None]
        if not made:
            shares[0].pool.wait_for_room(HOARDED)
        if len(made) < len(shares):
            server.claimer.hand_back(self._withdrawn(older_than=HOARDED))
        if not made or True in [is_full for _, is_full in made]:
            return False
        return self._wait([batch for batch, _ in made], issued, asked)

    def _claim(self, share: Share) -> tuple[Batch, bool] | None:
        """Claimed jobs, and whether there was room for no more; None = there was none at all."""
        server = self._server
        free, ahead = share.pool.room()
        if server.retirement.max_jobs is not None:
            # In this order: one that is recorded in between counts twice, and not as none.
            taken = len(server.runs) + server.finisher.recorded
            free, ahead = server.retirement.room(free, ahead, taken)
        if not free and not ahead:
            return None
        self._keep()  # runs of another share may have begun, and the store may take long
        batch, runs = server.claimer.take(free, ahead, share.queues)
        share.pool.put(runs)
        self.answered = True
        server.outage.worked("claiming")
        return batch, len(batch.jobs) == free + ahead

    def _wait(self, batches: Sequence[Batch], issued: int, asked: datetime | None) -> bool:
        """Until there may be more. True = a burst is over. ``asked``: when, if it may be."""
        server = self._server
        all_have_room = len(batches) == len(server.shares)
        dues = [batch.next_due for batch in batches if batch.next_due]
        due = min(dues) if dues else None
        nothing = all_have_room and not any(batch.jobs for batch in batches)
        if (
            asked is not None
            and nothing
            and nothing_soon(server, Batch([], due), asked)
            and not server.timetable.has_more(issued)
        ):
            return True
        # The end of a run wakes this, too, and a share has room again.
        pause = server.poll_interval if all_have_room else min(HOARDED, server.poll_interval)
        if self._sleeps_on():
            pause = min(pause, SOON)
        if due is not None:
            pause = min(pause, (due - server.storage.now()).total_seconds())
        if pause > 0:
            server.storage.driver.wait(pause)
        return False

    def _retires(self) -> bool:
        """Whether it is time to claim nothing more. Then it waits for what runs, unless stopped."""
        server = self._server
        server.retired = server.retirement.reason(server.finisher.recorded)
        if server.retired is None and not self._draining.is_set():
            return False
        log.info(
            "server %s claims nothing more, and ends when what runs has ended: %s",
            *(server.worker_id, server.retired or "it was told to drain"),
        )
        self.withdraw()
        while not server.runs.wait_until_empty(HOARDED) and not self._stopping.is_set():
            self.pulse.beat(HOARDED)
        return True

    def withdraw(self) -> None:
        """Hand back what waits for a thread."""
        self._server.hand_back(self._withdrawn())

    def _withdrawn(self, older_than: float = 0.0) -> list[Run]:
        pools = [share.pool for share in self._server.shares]
        return [run for pool in pools for run in pool.withdraw(older_than)]

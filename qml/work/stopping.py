"""The order in which a server comes to rest."""

import logging
from collections.abc import Callable, Sequence
from threading import Thread, current_thread
from typing import Protocol

from ..storage import servers
from ..storage.storage import Storage
from ..values.errors import StorageError
from ..values.patience import Patience
from .activity import Activity
from .finisher import Finisher
from .processes import Processes
from .rounds import Rounds
from .runs import Run, Runs
from .shares import Share

log = logging.getLogger("qml.server")

PATIENCE = 10.0
"""Seconds after the grace period in which all the rest must be done: what is handed back, recorded
and struck off, the server's own threads, and the storage, where it is closed then. A store that is
silent costs no more."""

SHARE = 0.6
"""What part of that the server has; the storage has the rest, and the last words."""

LAST_WORDS = 1.0
"""Seconds that the outcome of a run which has just ended has to reach the finisher."""


class Stoppable(Protocol):
    """What a stop needs of a server."""

    storage: Storage
    worker_id: str
    runs: Runs
    shares: list[Share]
    finisher: Finisher
    activity: Activity
    processes: Processes

    def hand_back(self, runs: Sequence[Run]) -> None:
        """Give runs up."""
        ...

    def withdraw(self) -> None:
        """Hand back what waits for a thread."""
        ...

    def threads_and_rounds(self) -> tuple[list[Thread], list[Rounds]]:
        """The threads to end, and the chores they do."""
        ...


def come_to_rest(server: Stoppable, grace: float, hurried: Callable[[], bool]) -> None:
    """End a server: what waits for a thread is handed back; what runs may end within ``grace``
    seconds, unless ``hurried``; the rest is handed back; leases are renewed until then, and every
    outcome that was reached is recorded. In a thread of the server itself, which this would wait
    for, it returns at once."""
    made, rounds = server.threads_and_rounds()
    threads = [thread for thread in made if thread.ident is not None]  # which were started
    here = current_thread()
    if here in threads or any(here in share.pool.members for share in server.shares):
        aside(lambda: come_to_rest(server, grace, hurried))
        return
    if threads:
        _end(server, threads, rounds, grace, hurried)
    server.processes.close()


def _end(
    server: Stoppable,
    threads: Sequence[Thread],
    rounds: Sequence[Rounds],
    grace: float,
    hurried: Callable[[], bool],
) -> None:
    finishing, claiming = threads[0], threads[-1]
    if not finishing.is_alive():
        return
    patience = Patience(max(0.0, grace))
    claiming.join(max(LAST_WORDS, min(PATIENCE, patience.left())))
    _await_runs(server, patience, hurried)
    for share in server.shares:
        share.pool.close()
    patience = Patience(PATIENCE * SHARE)
    _hand_back_unfinished(server, patience)
    server.runs.wait_until_empty(min(LAST_WORDS, patience.left()))
    server.finisher.stop()
    finishing.join(patience.left())
    for one in rounds:  # not before: what is not recorded yet has a lease to be renewed
        one.stop()
    for thread in threads:
        thread.join(patience.left())
    aside(lambda: _leave(server)).join(patience.left())
    log.info("server %s has stopped", server.worker_id)


def aside(step: Callable[[], None]) -> "Aside":
    """A step in a thread of its own: what it asks of a silent store holds nobody up."""
    return Aside(step)


class Aside:
    """A step that goes on in a thread."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._thread: Thread | None = Thread(target=step, name="qml-aside", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # at a program's end Python 3.12 and later start no thread any more
            self._thread = None
            step()

    def join(self, seconds: float) -> None:
        """Wait so long for its end."""
        if self._thread is not None:
            self._thread.join(seconds)


def _await_runs(server: Stoppable, patience: Patience, hurried: Callable[[], bool]) -> None:
    aside(server.withdraw).join(LAST_WORDS)
    while len(server.runs) and patience.left() > 0 and not hurried():
        server.runs.wait_until_empty(min(0.1, patience.left()))


def _hand_back_unfinished(server: Stoppable, patience: Patience) -> None:
    unfinished = server.runs.to_hand_back()
    if unfinished:
        log.warning(
            "still running, and handed back (%d): %s",
            len(unfinished),
            ", ".join(f"{run.job.id} ({run.job.method})" for run in unfinished[:10]),
        )
        aside(lambda: server.hand_back(unfinished)).join(patience.left())
    elif any(run.unfinished for run in server.runs.held()):  # another stop hands them back
        server.runs.wait_until_empty(patience.left())


def _leave(server: Stoppable) -> None:
    try:
        server.activity.write()
        servers.leave(server.storage, server.worker_id)
    except StorageError as error:
        log.warning("this server stays listed for a while: %s", error)

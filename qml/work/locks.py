"""Named locks around a block: asked for, waited for, given back."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from ..storage import locks
from ..storage.storage import Storage
from ..values import jsontext
from ..values.clock import steady_micros
from ..values.errors import LockTaken, StorageError, StorageUnavailable
from ..values.patience import Patience
from . import renewal
from .backoff import Backoff
from .context import current_job
from .lock import Lock

log = logging.getLogger("qml.locks")

LOOK_AGAIN = 1.0
"""Seconds after which one who waits looks again, hint or no hint."""

BREATH = 0.01
"""Seconds between two looks of one who waits, at least: a busy store hints at every job."""


@contextmanager
def holding(storage: Storage, name: str, seconds: float, timeout: float | None) -> Iterator[Lock]:
    """The lock for the time of a block; see ``Qml.lock``."""
    lock = _taken(storage, name, seconds, timeout)
    try:
        yield lock
    finally:
        if lock.pid == os.getpid():  # else a child of the holder's process leaves its copy
            renewal.of(storage).remove(lock)
            _give_back(lock)
            lock.ended()


def _taken(storage: Storage, name: str, seconds: float, timeout: float | None) -> Lock:
    holder = this_thread()
    try:
        lock = _asked(storage, name, holder, seconds, timeout)
        renewal.of(storage).add(lock)
    except LockTaken:
        raise
    except BaseException:  # Ctrl-C, too: it may have been given, and nobody heard of it
        with suppress(StorageError):
            locks.release(storage, name, holder)
        raise
    return lock


def _asked(storage: Storage, name: str, holder: str, seconds: float, timeout: float | None) -> Lock:
    """Ask until it is given. An outage is waited out, as long as a holder would for his renewal;
    the holder stays the same, so that a grant whose reply was lost is no obstacle."""
    patience, outage, backoff = Patience(timeout), Patience(seconds), Backoff()
    while True:
        if (job := current_job()) is not None:
            job.check()  # one that was cancelled, or is late, waits no longer
        asked = steady_micros()
        try:
            return Lock(storage, locks.take(storage, name, holder, seconds), seconds, asked)
        except StorageUnavailable:
            pause = backoff.next()
            if pause > min(patience.left(), outage.left()):
                raise
            time.sleep(pause)
        except LockTaken as taken:
            _refuse_own(storage, taken)
            if patience.left() <= 0:
                raise
            outage, backoff = Patience(seconds), Backoff()
            _wait(storage, patience.left(), asked)


def _refuse_own(storage: Storage, taken: LockTaken) -> None:
    if renewal.of(storage).held_here(taken.holder):
        raise LockTaken(
            f"lock {taken.lock!r} is held by this very thread ({taken.holder}): a lock cannot be "
            "taken twice, and to wait for it here would never end. Take it once, further out",
            lock=taken.lock,
            holder=taken.holder,
            until=taken.until,
        )


def _wait(storage: Storage, longest: float, looked: int) -> None:
    """Until there is a hint that it may be free."""
    storage.driver.wait(min(longest, LOOK_AGAIN))
    since = (steady_micros() - looked) / 1e6
    if since < BREATH:
        time.sleep(BREATH - since)


def _give_back(lock: Lock) -> None:
    """Whatever happens here is told in the log: what the block returns or raises is its own."""
    lost = lock.lost
    try:
        was_held = locks.release(lock.storage, lock.name, lock.grant.holder, lock.fence)
    except StorageError as error:
        log.warning(
            "lock %r could not be freed: %s. It is free from %s UTC on",
            *(lock.name, error, f"{lock.until:%Y-%m-%d %H:%M:%S}"),
        )
        return
    if lost or not was_held:
        lock.renewed(None, 0)
        log.warning("a block came to its end without its lock: %s", lock.loss)


def this_thread() -> str:
    """A holder that nobody else is: where it is, and a token, since one thread may hold several."""
    thread = threading.current_thread().name[:60]
    where = f"{socket.gethostname()} pid {os.getpid()} thread {thread}"
    return f"{jsontext.readable(where)} {uuid4().hex[:16]}"

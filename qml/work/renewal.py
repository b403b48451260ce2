"""The renewal of the named locks that this process holds: one thread for each store."""

import logging
import os
import threading
from weakref import WeakKeyDictionary

from ..storage import locks
from ..storage.storage import Storage
from ..values.clock import steady_micros
from ..values.errors import StorageError
from .lock import Lock

log = logging.getLogger("qml.locks")


class Renewal:
    """Renews locks of one store in a thread that lives as long as there are any. Each store has its
    own, so that an outage of one costs no lock of another."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._locks: dict[str, Lock] = {}  # by holder
        self._thread: threading.Thread | None = None

    def add(self, lock: Lock) -> None:
        """Renew ``lock`` from now on."""
        with self._change:
            if self._thread is None:
                # A daemon, since a lock must not keep a process alive.
                thread = threading.Thread(target=self._loop, name="qml-locks", daemon=True)
                thread.start()
                self._thread = thread
            self._locks[lock.grant.holder] = lock
            self._change.notify()

    def remove(self, lock: Lock) -> None:
        """Renew it no more."""
        with self._change:
            self._locks.pop(lock.grant.holder, None)
            self._change.notify()

    def held_here(self, holder: str) -> bool:
        """Whether the calling thread is this holder."""
        with self._change:
            lock = self._locks.get(holder)
        return lock is not None and lock.thread == threading.get_ident()

    def _loop(self) -> None:
        while (lock := self._next()) is not None:
            renew(lock)
            if lock.lost:
                self._tell(lock)

    def _next(self) -> Lock | None:
        """The next lock to renew, once it is time; None = there is none any more."""
        with self._change:
            while self._locks:
                lock = min(self._locks.values(), key=lambda lock: lock.renew_at)
                pause = (lock.renew_at - steady_micros()) / 1e6
                if pause <= 0:
                    return lock
                self._change.wait(pause)
            self._thread = None
            return None

    def _tell(self, lock: Lock) -> None:
        """Of a loss its block has not come to the end of."""
        with self._change:
            held = self._locks.pop(lock.grant.holder, None)
        if held is not None:  # else the block has ended meanwhile
            log.warning("%s", lock.loss)


def renew(lock: Lock) -> None:
    """One try to renew a lock, from which it learns what became of it."""
    if lock.lost:
        return
    asked = steady_micros()
    try:
        lock.renewed(locks.renew(lock.storage, lock.grant, lock.seconds), asked)
    except StorageError as error:
        lock.not_renewed(error)
        log.debug("lock %r was not renewed, trying again: %s", lock.name, error)
    except Exception as error:
        lock.not_renewed(error)
        log.exception("lock %r was not renewed, trying again", lock.name)


_guard = threading.Lock()
_renewals: "WeakKeyDictionary[Storage, Renewal]" = WeakKeyDictionary()


def of(storage: Storage) -> Renewal:
    """The renewal of this store's locks, in this process."""
    with _guard:
        return _renewals.setdefault(storage, Renewal())


def _begin_anew() -> None:
    """In a forked child: it has none of the threads, and its parent's locks are the parent's."""
    global _guard, _renewals
    _guard, _renewals = threading.Lock(), WeakKeyDictionary()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)

"""A named lock as the block that holds it sees it."""

import os
import threading
from datetime import datetime

from ..storage.locks import Grant
from ..storage.storage import Storage
from ..values.clock import steady_micros
from ..values.errors import LockLost
from ..values.times import from_micros

RENEWALS = 4
"""A term is cut in so many parts, and renewed after the first, so that some renewals may fail."""

LONGEST_PAUSE = 1.0
"""Seconds after a renewal that failed until it is tried again, at most."""


class Lock:
    """A named lock, held by the block that got it from ``Qml.lock``.

    It is renewed while the block lasts. Should that fail for a whole term, or somebody flush it, it
    is ``lost`` and stays so: another may hold it. Python cannot stop the block, so that has to look
    (``check``), and to hand ``fence`` to what it changes outside. Others are to see it, not to end
    it: threads may share it, while a forked child's copy is renewed and freed by nobody.
    """

    def __init__(self, storage: Storage, grant: Grant, seconds: float, asked: int) -> None:
        """``asked``: when the store was asked for the grant, by the steady counter. The term is
        counted from there, since it began after that."""
        self.storage = storage
        self.seconds = seconds
        self.grant = grant
        self.pid, self.thread = os.getpid(), threading.get_ident()
        self._why: str | None = None
        self._trouble: Exception | None = None
        self._begins(asked)

    def _begins(self, asked: int) -> None:
        term = round(self.seconds * 1e6)
        self._ends, self.renew_at = asked + term, asked + term // RENEWALS

    @property
    def name(self) -> str:
        """The name it was asked for by."""
        return self.grant.name

    @property
    def fence(self) -> int:
        """A number higher than that of everyone who held a lock of this name before. An outside
        system that refuses a number lower than one it has seen is safe from those who lost it."""
        return self.grant.fence

    @property
    def until(self) -> datetime:
        """The end of the present term (aware UTC, by the store's clock). Renewals move it on."""
        return from_micros(self.grant.until)

    @property
    def lost(self) -> bool:
        """Whether it is not held any more: it could not be renewed for a whole term, by a counter
        that no clock's jump moves and that goes on while the machine sleeps; or was flushed."""
        if self._why is None and steady_micros() >= self._ends:
            last = f"; the last try: {self._trouble}" if self._trouble else ""
            self._why = f"it could not be renewed within {self.seconds:g} s{last}"
        return self._why is not None

    def check(self) -> None:
        """Go on, or stop: LockLost when it is not held any more. Costs next to nothing, so call it
        in every loop."""
        if self.lost:
            raise LockLost(f"{self.loss}. Stop here")

    # -- for who renews it ---------------------------------------------------------------------

    @property
    def loss(self) -> str:
        """What has happened to a lost one."""
        return f"lock {self.name!r} is lost: {self._why}; another may have held it since"

    def renewed(self, grant: Grant | None, asked: int) -> None:
        """What the store answered; None = it is not held. An answer that comes after the end of the
        term changes nothing: somebody may have been told that the lock is lost."""
        if self.lost:
            return
        if grant is None:
            self._why = "it was flushed, or its term passed by the store's clock"
        else:
            self.grant, self._trouble = grant, None
            self._begins(asked)

    def not_renewed(self, error: Exception) -> None:
        """It failed, and is to be tried again soon."""
        self._trouble = error
        pause = min(LONGEST_PAUSE, self.seconds / 20)
        self.renew_at = steady_micros() + round(pause * 1e6)

    def ended(self) -> None:
        """Its block has: whoever looks at it from now on is not told that it is held."""
        self._why = self._why or "its block has ended"

    def __repr__(self) -> str:
        return f"<Lock {self.name!r}, fence {self.fence}{', lost' if self.lost else ''}>"

"""The loop around chores, each one step that can be called by hand."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

import attrs

from ..values.clock import steady_micros
from ..values.errors import StorageError
from .backoff import Backoff
from .outage import Outage
from .pulse import Pulse

log = logging.getLogger("qml.server")

EARLY = 0.1
"""The share of its pause by which a chore may be taken early, when its thread is up anyway: an idle
server costs what it costs to wake up, some 0.3 ms of a core each time."""


@attrs.define
class Chore:
    """A ``step`` to be taken every ``period`` seconds, or when it says: what it returns, if it
    returns anything, is how many seconds to wait. ``patience``: after how many seconds it is taken
    again at the latest while the store is away; 0 = after its period. ``early``, ``late``: between
    which moments it is to be taken next."""

    name: str
    period: float
    step: Callable[[], float | None]
    patience: float = 0.0
    early: float = 0.0
    late: float = 0.0
    backoff: Backoff = attrs.field(factory=Backoff)


class Rounds:
    """The loop around chores: one thread, each chore in its time, an outage waited out. ``idle``:
    for how many seconds none of them has anything to do, unless somebody calls ``wake``.
    ``sleeps``: whether it rests for that reason. ``beside``: what does not sleep, either, while
    this does not."""

    def __init__(
        self,
        chores: Sequence[Chore],
        outage: Outage,
        idle: Callable[[], float] = lambda: 0.0,
        beside: "Rounds | None" = None,
    ) -> None:
        self._chores = chores
        self._outage = outage
        self._idle = idle
        self._beside = beside
        self._stopped = False
        self._woken = threading.Event()
        self.sleeps = False
        self.pulse = Pulse()

    def loop(self) -> None:
        """Take the steps that are due until stopped."""
        while not self._stopped:
            for chore in self._chores:
                if chore.early <= time.monotonic() and not self._stopped:
                    self._take(chore)
            soonest = min(chore.late for chore in self._chores)
            self._rest(max(0.0, soonest - time.monotonic(), self._may_sleep()))

    def _may_sleep(self) -> float:
        self.sleeps = True  # first: who has something for it to do after the look wakes it
        fails = any(chore.backoff.tries for chore in self._chores)  # and is to be tried again
        seconds = 0.0 if fails else self._idle()
        self.sleeps = seconds > 0
        if self._beside is not None and self._beside.sleeps and not self.sleeps:
            self._beside.wake()
        return seconds

    def _rest(self, seconds: float) -> None:
        self.pulse.beat(seconds)
        begun = steady_micros()
        self._woken.wait(seconds)
        self._woken.clear()
        self.sleeps = False
        self._outage.held_up((steady_micros() - begun) / 1e6 - seconds)

    def wake(self) -> None:
        """Have it see what is due, if it ``sleeps``. Who does not need it at once asks for that
        first."""
        self._woken.set()

    def _take(self, chore: Chore) -> None:
        self.pulse.beat()
        pause = chore.period
        try:
            wanted = chore.step()
            pause = chore.period if wanted is None else wanted
            chore.backoff.reset()
            self._outage.worked(chore.name)
        except StorageError as error:
            pause = min(chore.patience or chore.period, chore.backoff.next())
            self._outage.failed(chore.name, error, pause)
        except Exception:
            log.exception("%s failed; trying again in %.1f s", chore.name, pause)
        chore.late = time.monotonic() + pause
        chore.early = chore.late - pause * EARLY

    def stop(self) -> None:
        """Let ``loop`` end after the step under way."""
        self._stopped = True
        self._woken.set()


def rounds_of(
    chores: Sequence[Sequence[Chore]], outage: Outage, idle: Callable[[], float]
) -> list[Rounds]:
    """Those of a server. The first two keep its claims, and sleep while they are ``idle``: the
    first never waits for the store, and has the second up while it is up itself."""
    limits, keeping, *others = chores
    second = Rounds(keeping, outage, idle)
    first = Rounds(limits, outage, idle, second)
    return [first, second, *(Rounds(some, outage) for some in others)]

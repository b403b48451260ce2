"""Going on through an outage of the store."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ..values.errors import StorageClosed, StorageUnavailable
from .backoff import Backoff
from .outage import Outage

P = ParamSpec("P")
R = TypeVar("R")

SLICE = 0.25
"""Seconds, at most, between two looks at whether to go on."""


class Enduring:
    """Makes a call again for as long as the store does not answer (StorageUnavailable), after such
    pauses as servers make; not so once the storage is closed. So a call has to bear being made
    twice. ``what`` is at it, for the log; ``look`` is called a few times a second meanwhile: what
    it raises ends the wait."""

    def __init__(
        self, what: str, look: Callable[[], None], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._what = what
        self._look = look
        self._sleep = sleep
        self._outage = Outage()

    def __call__(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``call`` answers."""
        backoff = Backoff()
        while True:
            try:
                answer = call(*args, **kwargs)
            except StorageClosed:
                raise
            except StorageUnavailable as error:
                pause = backoff.next()
                self._outage.failed(self._what, error, pause)
                self._pause(pause)
            else:
                self._outage.worked(self._what)
                return answer

    def _pause(self, seconds: float) -> None:
        while seconds > 0:
            self._look()
            self._sleep(min(SLICE, seconds))
            seconds -= SLICE
        self._look()

"""Removes finished jobs whose retention is over, in steps so short that nobody waits for them."""

import threading
from collections.abc import Callable

from ..storage.storage import Storage
from ..values.clock import Steady

LONG = 0.01
"""Seconds: a step that took longer is halved next time, since claims wait for it."""

FEWEST, MOST = 10, 500
"""Jobs that one step removes."""

TURN = 1.0
"""Seconds after which the other chores have their turn, though there is more to remove."""


def pause(seconds: float) -> None:
    """Let others go first: sleep, as long as the step before took."""
    threading.Event().wait(seconds)


class Purge:
    """Steps whose size follows how long they take on this store, and a pause as long as each step
    after it: so never more than half of the store's time. ``rest``: takes the pause."""

    def __init__(
        self, storage: Storage, steady: Steady, rest: Callable[[float], None] = pause
    ) -> None:
        self._storage = storage
        self._steady = steady
        self._rest = rest
        self.at_once = 100

    def take(self) -> int:
        """Remove what is over, for a second at most; how many."""
        removed, began = 0, self._steady()
        while True:
            before, many = self._steady(), self.at_once
            found = self._storage.purge(many)
            took = self._steady() - before
            removed += found
            self.at_once = _next_size(many, took)
            if found < many or self._steady() - began >= TURN:
                return removed
            self._rest(took)


def _next_size(many: int, took: float) -> int:
    if took > LONG:
        return max(FEWEST, many // 2)
    return min(MOST, many * 2) if took < LONG / 4 else many

"""The pulse of a loop: whether it takes its turns."""

import time
from math import inf

from ..values.clock import Steady


class Pulse:
    """Beaten by a loop at each turn; ``late`` is read by who watches it, in any thread."""

    def __init__(self, steady: Steady = time.monotonic) -> None:
        self._steady = steady
        self._expected = inf

    def beat(self, rest: float = 0.0) -> None:
        """The loop lives, and beats again after a rest of so many seconds; inf = it may rest for as
        long as it likes."""
        self._expected = self._steady() + rest

    @property
    def late(self) -> float:
        """Seconds since it should have beaten; 0 = it is not late."""
        return max(0.0, self._steady() - self._expected)

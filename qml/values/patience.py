"""How long a caller is willing to wait."""

import time


class Patience:
    """Counts down ``timeout`` seconds from when it is made; None = for ever."""

    def __init__(self, timeout: float | None) -> None:
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float:
        """Seconds left, 0 or less when it is over."""
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()

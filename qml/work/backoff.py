"""Pauses between tries while a store does not answer."""

import random

SHORTEST, LONGEST = 0.1, 5.0


class Backoff:
    """Seconds to pause: doubling from 0.1 to 5, each up to half longer at random, so that servers
    do not return in step."""

    def __init__(self) -> None:
        self.tries = 0

    def next(self) -> float:
        """The next pause."""
        pause: float = min(LONGEST, SHORTEST * 2**self.tries)
        self.tries = min(self.tries + 1, 20)
        return pause * random.uniform(1.0, 1.5)

    def reset(self) -> None:
        """The store answered."""
        self.tries = 0

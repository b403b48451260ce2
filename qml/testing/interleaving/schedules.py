"""Schedules: which hand makes the next driver call; all of them in turn, at random, or a given one.

All schedules of two operations are explored depth first: a schedule is a word over the hands; the
next one repeats it up to the last choice that has not been tried in full, and turns there. Nothing
is stored but the present word, since a run of the same word comes to the same place. The idea is
that of stateless model checkers: VeriSoft (Godefroid 1997), CHESS (Musuvathi and Qadeer 2007), and
of loom and shuttle in Rust, which schedule threads so.
"""

import random
from collections.abc import Sequence

import attrs

from ...values.errors import ConfigurationError

HANDS = "ABC"


@attrs.frozen
class Schedule:
    """The situation, the operations of hands A, B (and C), and who makes each driver call.

    As text, ``lapsed; rescue; w1 succeed; ABBA``, it is all that ``replay`` needs.
    """

    situation: str
    operations: tuple[str, ...]
    turns: str

    def __str__(self) -> str:
        return "; ".join((self.situation, *self.operations, self.turns))

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """The schedule that prints as ``text``; ConfigurationError when none does."""
        if not isinstance(text, str):
            raise _no_schedule(text)
        situation, *operations = (part.strip() for part in text.split(";"))
        turns = operations.pop() if operations else ""
        if not 1 <= len(operations) <= len(HANDS) or not set(turns) <= set(HANDS):
            raise _no_schedule(text)
        return cls(situation, tuple(operations), turns)


def _no_schedule(text: object) -> ConfigurationError:
    return ConfigurationError(
        f"schedule {text!r}: give it as it was printed, as 'lapsed; rescue; update; ABBA'"
    )


class DepthFirst:
    """Every schedule once: run with ``choose``, then ask ``turn`` for another, while there is."""

    def __init__(self) -> None:
        self._plan: list[int] = []
        self._taken: list[tuple[int, tuple[int, ...]]] = []

    def choose(self, able: Sequence[int]) -> int:
        """The planned hand, and beyond the plan the first that can go on."""
        depth = len(self._taken)
        chosen = self._plan[depth] if depth < len(self._plan) else able[0]
        if chosen not in able:
            raise AssertionError(
                f"the same schedule came to another place: at call {depth + 1} hand "
                f"{HANDS[chosen]} has ended, which it had not before"
            )
        self._taken.append((chosen, tuple(able)))
        return chosen

    def turn(self) -> bool:
        """Plan the next schedule: turn at the last choice that leaves another. False: none does."""
        while self._taken:
            chosen, able = self._taken.pop()
            later = [hand for hand in able if hand > chosen]
            if later:
                self._plan = [*(hand for hand, _ in self._taken), later[0]]
                self._taken = []
                return True
        return False


class AtRandom:
    """Each time a hand at random, from a generator with a seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def choose(self, able: Sequence[int]) -> int:
        """One of those that can go on."""
        return self._chance.choice(able)


class Given:
    """A schedule that was printed. Where it names a hand that has ended (the code has changed
    since), the first that can go on does."""

    def __init__(self, turns: str) -> None:
        self._left = [HANDS.index(turn) for turn in reversed(turns)]

    def choose(self, able: Sequence[int]) -> int:
        """The next of the schedule."""
        while self._left:
            hand = self._left.pop()
            if hand in able:
                return hand
        return able[0]

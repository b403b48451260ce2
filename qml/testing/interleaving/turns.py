"""Real threads that take turns: before each driver call, a chooser says which of them goes on."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from ...seam.driver import Driver
from ...values.errors import QmlError
from ..compare import Raised
from ..wrapping import WrappedDriver

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds in which a thread whose turn it is must come to its next call, or to its end."""

MOST_CALLS = 1_000
"""Driver calls after which a schedule is taken for one without end."""

Choose = Callable[[Sequence[int]], int]
"""Says which of the hands that can go on does."""


class Call(NamedTuple):
    """One step of a schedule: the call that a hand made, and what came back or was raised."""

    hand: int
    verb: str
    order: Any
    answer: Any


class Crash(NamedTuple):
    """An operation ended with an error that is none of qml's."""

    error: Exception

    def __repr__(self) -> str:
        return f"crashes with {self.error!r}"


class Played(NamedTuple):
    """What a schedule came to: its calls in order, and each hand's answer."""

    calls: list[Call]
    answers: list[Any]


class _Abandoned(BaseException):
    """Unwinds an operation that nobody will let go on."""


class Hand(threading.Thread):
    """A thread that carries out one act after the other, each when it is given its turn."""

    def __init__(self, number: int, next_turn: Callable[["Hand"], None]) -> None:
        super().__init__(name=f"hand {number}", daemon=True)
        self.number, self.ended, self.answer = number, True, None
        self.act: Callable[[], Any] = lambda: None
        self._next_turn = next_turn
        self._abandoned = False
        self._turn = threading.Lock()
        self._turn.acquire()
        self.start()

    def run(self) -> None:
        """Wait for a turn, carry the act out, hand over."""
        try:
            self.wait()
            while True:
                self.answer = _answer(self.act)
                self.ended = True
                self._next_turn(self)
        except _Abandoned:
            pass

    def wait(self) -> None:
        """Stand still until it is this hand's turn."""
        self._turn.acquire()
        if self._abandoned:
            raise _Abandoned

    def go_on(self) -> None:
        """Give it its turn."""
        self._turn.release()

    def abandon(self) -> None:
        """End the thread, in the middle of an act if need be."""
        self._abandoned = True
        with contextlib.suppress(RuntimeError):  # it has been given its turn, and not yet begun
            self._turn.release()


def _answer(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except QmlError as error:
        return Raised(type(error), error.job_id)
    except Exception as error:
        return Crash(error)


class Turns(WrappedDriver):
    """Lets hands call the driver below, one at a time; other threads pass through.

    Each hand first goes as far as its first call. From then on whoever comes to a call, or to its
    end, asks the chooser and hands over, if it was not chosen itself.
    """

    def __init__(self, driver: Driver) -> None:
        super().__init__(driver)
        self._hands: list[Hand] = []
        self._to_begin: list[Hand] = []
        self._calls: list[Call] = []
        self._choose: Choose = min
        self._wrong: AssertionError | None = None
        self._moves = 0
        self._over = threading.Lock()
        self._over.acquire()

    def play(self, acts: Sequence[Callable[[], Any]], choose: Choose) -> Played:
        """Carry out the acts, each in a thread, by the schedule that ``choose`` makes."""
        while len(self._hands) < len(acts):
            self._hands.append(Hand(len(self._hands), self._next_turn))
        hands = self._hands[: len(acts)]
        for hand, act in zip(hands, acts, strict=True):
            hand.act, hand.ended = act, False
        self._calls, self._choose, self._to_begin = [], choose, hands[1:]
        hands[0].go_on()
        self._wait()
        return Played(self._calls, [hand.answer for hand in hands])

    def around(self, verb: str, order: Any, call: Callable[[], T]) -> T:
        """The yield point: the call is made when it is this hand's turn."""
        hand = threading.current_thread()
        if not isinstance(hand, Hand):
            return call()
        self._next_turn(hand)
        try:
            answer = call()
        except Exception as error:
            self._calls.append(Call(hand.number, verb, order, error))
            raise
        self._calls.append(Call(hand.number, verb, order, answer))
        return answer

    def end(self) -> None:
        """End the threads."""
        for hand in self._hands:
            hand.abandon()
        for hand in self._hands:
            hand.join(PATIENCE)

    def _next_turn(self, hand: Hand) -> None:
        """Hand over to whose turn it is, and stand still, unless it is this hand's own."""
        self._moves += 1
        following = self._following()
        if following is not hand:
            following.go_on() if following else self._over.release()
            hand.wait()

    def _following(self) -> Hand | None:
        """Who goes on: those that have not begun, then whom the chooser says; None = the play is
        over."""
        if self._to_begin:
            return self._to_begin.pop(0)
        able = [hand.number for hand in self._hands if not hand.ended]
        try:
            if len(self._calls) > MOST_CALLS:
                raise AssertionError(f"no end after {MOST_CALLS} driver calls")
            return self._hands[self._choose(able)] if able else None
        except AssertionError as error:
            self._wrong = error
            return None

    def _wait(self) -> None:
        """Until the play is over, or nothing moves any more."""
        seen = -1
        while not self._over.acquire(timeout=PATIENCE):
            if self._moves == seen:
                raise AssertionError(
                    f"a hand comes to no driver call and to no end within {PATIENCE:g} s: it "
                    "waits for what another holds between two calls"
                )
            seen = self._moves
        if self._wrong is not None:
            raise self._wrong

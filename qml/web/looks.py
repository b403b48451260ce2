"""Looks at the store that are shared: one thread asks, all others have its answer for a while."""

import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import attrs

T = TypeVar("T")

FRESH = 2.0
"""Seconds for which an answer is as good as a new one."""

DEAR = 0.05
"""Seconds from which on a question is dear: it is asked behind the back of those who look, who have
the answer before meanwhile, and less often."""

TIMES_DEAR = 20
"""How many times as long as it took to ask an answer is used: 5 % of one core at most."""

OLDEST = 60.0
"""Seconds after which an answer is too old to be shown while another is asked for; or three times
as long as it is good, where that is more."""

SOON = 0.12
"""Seconds for which a page waits for an answer that it can do without."""

MOST = 500
"""Answers that are kept."""


@attrs.define(eq=False)
class _Look:
    asking: threading.Lock = attrs.field(factory=threading.Lock)
    told: threading.Event = attrs.field(factory=threading.Event)
    answer: Any = None
    at: float | None = None
    took: float = 0.0
    error: BaseException | None = None
    failed_at: float = 0.0

    def age(self) -> float:
        return float("inf") if self.at is None else time.monotonic() - self.at

    @property
    def good_for(self) -> float:
        return max(FRESH, TIMES_DEAR * self.took)

    def is_fresh(self) -> bool:
        return self.age() < self.good_for

    def is_usable(self) -> bool:
        return self.age() < max(OLDEST, 3 * self.good_for)

    def raise_what_came(self, since: float) -> None:
        if self.error is not None and self.failed_at > since:
            raise self.error

    def ask(self, question: Callable[[], Any]) -> None:
        begun = time.monotonic()
        self.told.clear()
        try:
            self.answer = question()
            self.at = time.monotonic()
            self.took = self.at - begun
        except BaseException as error:
            self.at, self.error, self.failed_at = None, error, time.monotonic()
            raise
        finally:
            self.told.set()


class Looks:
    """The answers of one dashboard, by key."""

    def __init__(self) -> None:
        self._looks: dict[object, _Look] = {}

    def _look(self, key: object) -> _Look:
        """The look of this key. Keys come from addresses, too, of which there is no end: of too
        many the oldest are forgotten."""
        while key not in self._looks and len(self._looks) >= MOST:
            with suppress(StopIteration, RuntimeError):  # others come and go meanwhile
                self._looks.pop(next(iter(self._looks)), None)
        return self._looks.setdefault(key, _Look())

    def at(self, key: object, question: Callable[[], T]) -> T:
        """The answer to a question, at most some seconds old. Who comes while another asks has the
        answer before, or waits where there is none. What the question raises is raised, also to
        those who waited, so that a silent store does not make each of them wait for itself."""
        came = time.monotonic()
        look = self._look(key)
        answer: T = look.answer
        if look.is_fresh():
            return answer
        if look.is_usable() and look.took > DEAR:
            self._behind(look, question)
            return answer
        if look.asking.acquire(blocking=not look.is_usable()):
            try:
                look.raise_what_came(came)
                if not look.is_fresh():
                    look.ask(question)
                answer = look.answer
            finally:
                look.asking.release()
        return answer

    def soon(self, key: object, question: Callable[[], T]) -> T | None:
        """The answer, as ``at``; None where there is none yet and it takes too long to wait for:
        then it is asked for behind, and there the next time."""
        came = time.monotonic()
        look = self._look(key)
        if look.is_usable():
            return self.at(key, question)
        self._behind(look, question)
        look.told.wait(SOON)
        look.raise_what_came(came)
        answer: T | None = look.answer if look.is_usable() else None
        return answer

    def known(self, key: object) -> Any:
        """The last answer, however old; None where there is none. Asks nothing."""
        look = self._looks.get(key)
        return look and look.answer

    def forget(self) -> None:
        """Something was changed here: ask anew."""
        self._looks.clear()

    def _behind(self, look: _Look, question: Callable[[], object]) -> None:
        if look.asking.acquire(blocking=False):
            look.told.clear()
            name = "qml-dashboard-look"
            # In the context of who looks: it may say whose jobs are meant, as a Flask app's does.
            run = contextvars.copy_context().run
            threading.Thread(
                target=run, args=(_asked, look, question), name=name, daemon=True
            ).start()


def _asked(look: _Look, question: Callable[[], object]) -> None:
    try:
        look.ask(question)
    except Exception:
        pass  # told to who looks next, who asks again
    finally:
        look.asking.release()

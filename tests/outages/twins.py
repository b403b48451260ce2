"""A storage whose line is cut, and the oracle, which follows it: done once, or not at all."""

from collections.abc import Callable
from typing import Any

from qml import ManualClock, StorageUnavailable
from qml.storage.storage import Storage
from qml.testing import StorageModel
from qml.testing.compare import Raised, difference, outcome
from tests.servers import Proxy
from tests.work.support import Wrapped


class Cut(Wrapped):
    """A driver whose line is cut at one of its verbs to come, before the request or in place of
    the reply; with ``away`` the server can then not be reached until `mend`."""

    def __init__(self, driver: Any, proxy: Proxy) -> None:
        super().__init__(driver)
        self._proxy = proxy
        self._plan: tuple[int, str, bool] | None = None
        self._often: tuple[int, str] = (0, "")
        self._verbs = 0

    def cut(self, moment: int, when: str, away: bool = False) -> None:
        """At the verb number ``moment``, 0 = the next."""
        self._plan = (moment, when, away)

    def cut_often(self, every: int, when: str) -> None:
        """At every so-manieth verb from now on, 0 = at none."""
        self._often = (every, when)

    def meet(self, verb: str, orders: Any) -> None:
        self._verbs += 1
        every, when = self._often
        if every and self._verbs % every == 0:
            getattr(self._proxy, f"cut_{when}_request")()
        if self._plan is None:
            return
        moment, when, away = self._plan
        self._plan = (moment - 1, when, away)
        if moment == 0:
            getattr(self._proxy, f"cut_{when}_request")()
            if away:
                self._proxy.refuse()

    @property
    def cuts(self) -> int:
        """How often it was cut."""
        return self._proxy.cuts

    def mend(self) -> None:
        """Nothing is cut from now on."""
        self._plan = None
        self._proxy.heal()


class Twins:
    """Oracle and storage under one clock. ``calm``: the same store by a line that nobody cuts, to
    see what became of it. ``unanswered`` counts what the storage did not answer."""

    def __init__(self, storage: Storage, calm: Storage, proxy: Proxy) -> None:
        self.clock = ManualClock()
        self.storage, self.calm = storage, calm
        self.line = storage.driver = Cut(storage.driver, proxy)
        storage.clock = calm.clock = self.clock
        self.oracle = StorageModel(self.clock, storage.retry_policy)
        self.unanswered = 0

    def ask(self, call: Callable[[Any], Any]) -> tuple[Any, Any]:
        """What both answer, when it is the same. A call that is not answered was carried out or
        not; it is asked again, and the oracle is asked as often as it was carried out."""
        while is_unavailable(found := outcome(call, self.storage)):
            self.unanswered += 1
            assert self.unanswered < 10, "the line is mended, and nobody answers"
            self.line.mend()
            if self._difference():
                outcome(call, self.oracle)
                assert self._difference() is None, "it was carried out by half, or more than once"
        self.line.mend()
        expected = outcome(call, self.oracle)
        assert difference(expected, found) is None, difference(expected, found)
        assert self._difference() is None, self._difference()
        return expected, found

    def _difference(self) -> str | None:
        return difference(_state(self.oracle), _state(self.calm))


def is_unavailable(found: Any) -> bool:
    """Whether a call was not answered."""
    return isinstance(found, Raised) and found.error is StorageUnavailable


def _state(storage: Any) -> list[Any]:
    return [storage.list(), storage.get_available_jobs(), storage.get_job_counts()]

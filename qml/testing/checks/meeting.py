"""Checks of operations that meet another hand's between their look at a job and their change of it.

They stand at the storage's driver; a storage that has none passes them.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from ...values.errors import ConcurrentModification, JobLost
from ...values.states import StateKind, Succeeded
from ..wrapping import WrappedDriver
from .scene import Scene

_T = TypeVar("_T")


class _Meeting(WrappedDriver):
    """Before the first change by ``swap`` another hand acts."""

    def __init__(self, driver: Any, act: Callable[[], object]) -> None:
        super().__init__(driver)
        self._acts = [act]

    def around(self, verb: str, order: Any, call: Callable[[], _T]) -> _T:
        """The other hand's calls pass as they are."""
        while verb == "swap" and self._acts:
            self._acts.pop()()
        return call()


def _meets(s: Scene, act: Callable[[], object]) -> bool:
    """Have ``act`` come before the next change; False = the storage has no driver to stand at."""
    driver = getattr(s.storage, "driver", None)
    if driver is not None:
        s.storage.driver = _Meeting(driver, act)
    return driver is not None


def a_rescue_leaves_what_was_renewed_meanwhile(s: Scene) -> None:
    """Law 4: only a lease that has lapsed is rescued, and one is asked for in that very step."""
    job = s.running()
    s.clock.advance(31)
    if _meets(s, lambda: s.storage.renew([job])):
        s.same(s.storage.rescue(), [], "a rescue that meets a renewal")
        s.same(s.get().state, job.state, "the state after it")
        s.same(s.storage.renew([job]), [True], "another renewal")


def an_update_that_meets_another_is_refused(s: Scene) -> None:
    """2: an update is made to the version that was read, which is asked in that very step."""
    read = s.add()
    if _meets(s, lambda: s.storage.update(read.with_metadata(by="first"))):
        try:
            s.storage.update(read.with_metadata(by="second"))
        except ConcurrentModification:
            s.same(s.get().metadata, {"by": "first"}, "the metadata")
        else:
            raise AssertionError("promised: ConcurrentModification; found: the first is lost")


def a_finish_that_meets_a_cancel_is_refused(s: Scene) -> None:
    """Law 5: a stale hand changes nothing, however short a time it has been stale."""
    job = s.running()
    if _meets(s, lambda: s.storage.cancel("a")):
        try:
            s.storage.finish(job, Succeeded())
        except JobLost:
            s.same(s.get().state.kind, StateKind.DELETED, "the state")
        else:
            raise AssertionError("promised: JobLost; found: the cancelled job has succeeded")

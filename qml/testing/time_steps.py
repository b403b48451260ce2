"""The machine's steps in which time passes, chores are done, and onlookers look."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule

from ..values.selection import JobFilter
from .draws import A_MICROSECOND, FILTERS, KINDS, POOLS, QUEUES, SECONDS, WORKERS
from .steps import Several, Steps, claims

DAY = 86_400.0


class TimeSteps(Steps):
    """Time passes, chores are done, onlookers look."""

    @rule(seconds=SECONDS)
    def advance(self, seconds: float) -> None:
        """Let a while pass."""
        self._pass(seconds)

    @rule(which=st.integers(0, 5), early=st.booleans())
    def advance_to(self, which: int, early: bool) -> None:
        """To the very moment when something falls due or ends, or a microsecond before it."""
        self._pass_to(which, early)

    @rule(target=claims, which=st.integers(0, 5), early=st.booleans(), worker=WORKERS, queues=POOLS)
    def fetch_at(self, which: int, early: bool, worker: str, queues: list[str] | None) -> Several:
        """The same, and claim all there is."""
        self._pass_to(which, early)
        return multiple(*self._claims("fetch_available_jobs_atomic", worker, None, queues))

    @rule(after=st.sampled_from([0.0, 0.5, 30.0, 60.0]), early=st.booleans())
    def rescue(self, after: float, early: bool) -> None:
        """Give the orphans back, now or when a lease has just lapsed or is about to."""
        self._pass(max(0.0, after - early * A_MICROSECOND))
        self._both("rescue")

    @rule(which=st.integers(0, 5), early=st.booleans())
    def sweep(self, which: int, early: bool) -> None:
        """At such a moment, end what was not started in time, and forget what has ended."""
        self._pass_to(which, early)
        self._both("expire")
        self._both("purge")

    @rule(after=st.sampled_from([0.0, 0.5, 5.0, 40.0, 7 * DAY, 90 * DAY]), early=st.booleans())
    def purge(self, after: float, early: bool) -> None:
        """Forget what finished long ago."""
        self._pass(max(0.0, after - early * A_MICROSECOND))
        self._both("purge")

    @rule(
        kinds=st.none() | KINDS | st.lists(KINDS, max_size=3),
        limit=st.sampled_from([None, 0, 1, 2]),
        offset=st.sampled_from([None, 0, 1, 3]),
        queue=st.none() | QUEUES,
    )
    def look(self, kinds: Any, limit: int | None, offset: int | None, queue: str | None) -> None:
        """Read pages of the list and of what is available, and ask for ends without waiting."""
        self._both("list", kinds, limit, offset, queue=queue)
        self._both("get_available_jobs", limit)
        for job in self.oracle.list():
            self._ask("wait", job.id, 0)

    @rule(where=FILTERS)
    def look_for(self, where: JobFilter) -> None:
        """Read and count what a filter names."""
        self._both("select", where)
        self._both("count", where)

    def _pass_to(self, which: int, early: bool) -> None:
        moments = self._moments()
        if moments:
            moment = moments[min(which, len(moments) - 1)] - early * timedelta(microseconds=1)
            self._pass((moment - self.clock.now()) / timedelta(seconds=1))

    def _pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._compare()

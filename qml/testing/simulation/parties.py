"""Who takes part: clients and servers, each with a line to the store that can break."""

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from ...values.clock import ManualClock
from ...work.finisher import Ended
from ...work.runs import Run
from ...work.server import Server
from ..laws.calls import End, Who
from ..wrapping import WrappedDriver

if TYPE_CHECKING:
    from .world import World

T = TypeVar("T")

LEASE = 30.0
"""Seconds; the lease of all simulated servers."""


class Died(BaseException):
    """A process was killed here. Not an Exception, since nobody can catch that."""


class ServerClock:
    """The true time; behind by the time for which its machine slept, until it is synced.

    So a ``StoreClock`` goes where the steady counter stands still during sleep (not on Linux, but
    in a virtual machine that is halted). Ahead it is never by more than half a short round trip.
    """

    def __init__(self, true: ManualClock) -> None:
        self._true = true
        self.behind = 0

    def micros(self) -> int:
        """What the server takes for now."""
        return self._true.micros() - self.behind

    def sync(self) -> None:
        """Ask the store."""
        self.behind = 0


@attrs.define
class Frame:
    """A step under way: the thread it is taken by, and who makes its calls."""

    role: str | None
    who: Who


class Line(WrappedDriver):
    """A party's line to the store. Hints are not sent: nobody waits, and they may be lost."""

    def __init__(self, world: "World", party: "Party") -> None:
        super().__init__(world.store.driver)
        self._world = world
        self._party = party

    def around(self, verb: str, order: Any, call: Callable[[], T]) -> T:
        """Make the call, with what befalls it before and after its effect."""
        world, party = self._world, self._party
        if not world.calm:
            world.mishaps.befall(party, verb, after=False)
        answer = world.store.call(party.frames[-1].who, verb, order, call)
        if not world.calm:
            world.mishaps.befall(party, verb, after=True)
        return answer

    def notify(self) -> None:
        """Nothing."""


class Party:
    """A process: its storage over its own line and clock, and the steps it has under way."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.alive = True
        self.frames: list[Frame] = []
        self.clock = ServerClock(world.clock)
        self.storage = copy.copy(world.storage)
        self.storage.driver = Line(world, self)
        self.storage.clock = self.clock

    def go_on(self) -> None:
        """Died, if it was killed meanwhile."""
        if not self.alive:
            raise Died

    def sleep(self, seconds: float, clock_too: bool) -> None:
        """Its machine slept: a client has nothing that would notice."""


class SimulatedServer(Party):
    """A real ``Server`` whose threads are stepped by hand.

    ``waiting``: claimed runs that wait for a thread; ``batch``: outcomes being recorded;
    ``slept``: microseconds that its steady counter missed.
    """

    def __init__(self, world: "World", name: str, queues: Sequence[str] | None) -> None:
        super().__init__(world, name)
        self.slept = 0
        self._true = world.clock
        self.server = Server(
            self.storage,
            world.tasks,
            lambda job: self.storage.retry_policy,
            threads=2,
            queues=queues,
            lease_seconds=LEASE,
            name=name,
            steady=self._steady,
            declared=world.declared,
        )
        self.server.worker_id = name  # without process id and chance, so that stories repeat
        self.server.pool.close()  # it starts no threads, not even for one that is late
        self.waiting: list[Run] = []
        self.batch: list[Ended] = []

    def _steady(self) -> float:
        return (self._true.micros() - self.slept) / 1e6

    def sleep(self, seconds: float, clock_too: bool) -> None:
        """The machine slept: its steady counter stood still, and the storage's clock, too,
        unless the system counts sleep."""
        self.slept += int(seconds * 1e6)
        if clock_too:
            self.clock.behind += int(seconds * 1e6)

    def act(self, acts: str, runs: Sequence[tuple[Run, bool]]) -> None:
        """From now on this step's calls end these claims, each charged or not."""
        ends = frozenset(End(run.job.seq or 0, run.job.fence, charged) for run, charged in runs)
        self.frames[-1].who = Who(self.name, acts, ends)

    def fill_batch(self) -> None:
        """What is to be recorded next, once all before it is recorded."""
        self.batch = self.batch or self.server.finisher.take()

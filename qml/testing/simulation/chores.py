"""A server's steps beside the way of a job: its chores, its sleep, its end."""

from typing import TYPE_CHECKING, ClassVar

import attrs

from ...seam.lanes import decode
from ...seam.rows import Row
from ...values.errors import StorageError
from ...work.chores import RESCUE
from ...work.executor import Snoozed
from .mishaps import SECONDS
from .parties import LEASE, Died, Party, SimulatedServer
from .steps import ServerStep

if TYPE_CHECKING:
    from .world import World


@attrs.frozen(kw_only=True)
class Chore(ServerStep):
    """A chore's step; an error is noted under its ``name`` as the server's rounds note it."""

    name: ClassVar[str] = ""

    def take(self, world: "World", party: Party) -> str | None:
        """Take it once."""
        assert isinstance(party, SimulatedServer)
        before = world.store.rows
        try:
            self.do(world, party)
        except StorageError as error:
            party.server.outage.failed(self.name or self.acts, error, 0)
            raise
        party.server.outage.worked(self.name or self.acts)
        return None if world.store.rows == before else ""

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The server's own code."""
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class Renews(Chore):
    """Renew leases."""

    role: ClassVar[str | None] = "keeper"
    acts: ClassVar[str] = "renews"

    def do(self, world: "World", server: SimulatedServer) -> None:
        """And see that they were."""
        begun = world.clock.micros()
        server.server.keeper.renew()
        if world.clock.micros() == begun and not server.slept:
            _check_leases(world, server)


def _check_leases(world: "World", server: SimulatedServer) -> None:
    """A server that renews holds what it holds for most of a lease."""
    for run in server.server.runs.held():
        row = world.store.rows.get(run.job.id)
        if row is None or row.lease_until is None or row.locked_by is not None or run.lost:
            continue
        if (row.seq, row.fence, row.worker) != (run.job.seq, run.job.fence, server.name):
            continue
        left = (row.lease_until - world.clock.micros()) / 1e6
        if left < LEASE / 2 and not (left <= 0 and _others_have_its_permit(world, row)):
            world.store.broken(
                f"Who renews keeps a claim: {server.name} has renewed, and its lease of "
                f"{run.job.id} lasts {left:g} s"
            )


def _others_have_its_permit(world: "World", row: Row) -> bool:
    """A claim that has lapsed does not live again beside others whom its limit allowed since."""
    permits = None if row.lane is None else decode(row.lane).permits
    now = world.clock.micros()
    live = [
        other
        for other in world.store.rows.values()
        if other.permit == row.permit and other.locked_by is None and (other.lease_until or 0) > now
    ]
    return permits is not None and len(live) >= permits


@attrs.frozen(kw_only=True)
class Watches(Chore):
    """Look for cancelled jobs."""

    role: ClassVar[str | None] = "keeper"
    acts: ClassVar[str] = "watches"

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The keeper's step."""
        server.server.keeper.watch()


@attrs.frozen(kw_only=True)
class Limits(Chore):
    """End what runs beyond its time limit."""

    role: ClassVar[str | None] = "keeper"
    acts: ClassVar[str] = "limits"

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The keeper's step."""
        server.server.keeper.limit()


@attrs.frozen(kw_only=True)
class Rescues(Chore):
    """Take orphans."""

    role: ClassVar[str | None] = "upkeep"
    acts: ClassVar[str] = "rescues"
    name: ClassVar[str] = RESCUE

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The upkeep's step."""
        server.server.upkeep.rescue()


@attrs.frozen(kw_only=True)
class Buries(Chore):
    """End the claims of a server that is gone, as one does that sees it by the kernel."""

    role: ClassVar[str | None] = "upkeep"
    acts: ClassVar[str] = "buries"
    dead: str

    def heading(self, world: "World", party: Party) -> str | None:
        """If there is any."""
        return f"{party.name} buries {self.dead}" if self.dead else None

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The upkeep's step, its look at the kernel left out."""
        server.storage.end_claims(self.dead)


@attrs.frozen(kw_only=True)
class Expires(Chore):
    """End what was not started in time."""

    role: ClassVar[str | None] = "upkeep"
    acts: ClassVar[str] = "expires"

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The upkeep's step."""
        server.server.upkeep.expire()


@attrs.frozen(kw_only=True)
class Purges(Chore):
    """Remove what finished long ago."""

    role: ClassVar[str | None] = "upkeep"
    acts: ClassVar[str] = "purges"

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The upkeep's step."""
        server.server.upkeep.purge()


@attrs.frozen(kw_only=True)
class Syncs(Chore):
    """Set the clock by the store's, as the heartbeat does."""

    role: ClassVar[str | None] = "upkeep"
    acts: ClassVar[str] = "syncs its clock"

    def take(self, world: "World", party: Party) -> str | None:
        """Worth telling if the clock was behind."""
        assert isinstance(party, SimulatedServer)
        behind = party.clock.behind
        super().take(world, party)
        return "" if behind else None

    def do(self, world: "World", server: SimulatedServer) -> None:
        """The upkeep's step."""
        server.server.upkeep.heartbeat()


@attrs.frozen(kw_only=True)
class Stops(ServerStep):
    """The server stops: hands back what has not ended, records what has, as well as it can."""

    role: ClassVar[str | None] = "stop"
    acts: ClassVar[str] = "stops"

    def heading(self, world: "World", party: Party) -> str | None:
        """Once the other loops have come to rest."""
        busy = any(frame.role is not None for frame in party.frames)
        return None if busy else f"{party.name} stops"

    def take(self, world: "World", party: Party) -> str | None:
        """As ``stopping.drain`` has it, the grace period over."""
        assert isinstance(party, SimulatedServer)
        server = party.server
        unfinished = [run for run in server.runs.held() if not run.ended and not run.overdue]
        party.waiting = []
        party.act("hands back", [(run, False) for run in unfinished])
        server.hand_back(unfinished)
        for _ in range(3):
            party.fill_batch()
            party.act("records", [(run, not isinstance(o, Snoozed)) for run, o in party.batch])
            try:
                server.finisher.record(party.batch)
                party.batch = []
            except StorageError as error:
                world.story.tell(f"recording fails: {error}")
        world.replace(party)
        return ""


@attrs.frozen(kw_only=True)
class Dies(ServerStep):
    """The server is killed between two calls."""

    acts: ClassVar[str] = "is killed"

    def take(self, world: "World", party: Party) -> str | None:
        """At once."""
        raise Died


@attrs.frozen(kw_only=True)
class FallsAsleep(ServerStep):
    """The server's machine sleeps."""

    acts: ClassVar[str] = "sleeps"

    def heading(self, world: "World", party: Party) -> str | None:
        """Told as a mishap is."""
        return f"{party.name} idles"

    def take(self, world: "World", party: Party) -> str | None:
        """Time passes, unseen."""
        world.sleep(party, world.pick(SECONDS))
        return ""

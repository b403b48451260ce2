"""A server's steps on the way of a job: claim, run, record, hand back."""

from typing import TYPE_CHECKING, ClassVar

import attrs

from ...values.errors import StorageError
from ...work.executor import Discarded, Outcome, Raised, Snoozed, Succeeded
from ...work.finisher import WHAT
from ...work.runs import Run
from .parties import Party, SimulatedServer
from .steps import ServerStep, names

if TYPE_CHECKING:
    from .world import World


def claim_of(run: Run) -> str:
    """A run in words."""
    return f"{run.job.id} ({run.job.fence})"


@attrs.frozen(kw_only=True)
class Claims(ServerStep):
    """The claim loop's: claim ``limit`` jobs and ``ahead`` more."""

    limit: int = 1
    ahead: int = 0

    role: ClassVar[str | None] = "claim loop"
    acts: ClassVar[str] = "claims"

    def take(self, world: "World", party: Party) -> str | None:
        """Claim, and enter the runs."""
        assert isinstance(party, SimulatedServer)
        server = party.server
        try:
            _, runs = server.claimer.take(self.limit, self.ahead)
        except StorageError as error:
            server.outage.failed(self.acts, error, 0)
            raise
        server.outage.worked(self.acts)
        party.waiting += runs
        return names([claim_of(run) for run in runs]) if runs else None


@attrs.frozen(kw_only=True)
class Runs(ServerStep):
    """A thread's: run a job that waits."""

    which: int = 0

    acts: ClassVar[str] = "runs"

    def heading(self, world: "World", party: Party) -> str | None:
        """With the job's name."""
        run = self._run(party)
        return f"{party.name} runs {claim_of(run)}" if run else None

    def _run(self, party: Party) -> Run | None:
        assert isinstance(party, SimulatedServer)
        return party.waiting[self.which % len(party.waiting)] if party.waiting else None

    def take(self, world: "World", party: Party) -> str | None:
        """What a thread of the pool does."""
        assert isinstance(party, SimulatedServer)
        run = self._run(party)
        assert run is not None
        party.waiting.remove(run)
        with world.tasks.told(party, run):
            outcome = party.server.execute(run)
        _end_if_interrupted(outcome)
        party.go_on()
        world.store.go_on()
        run.ended = True
        if run.overdue:  # recorded as timed out long ago
            party.server.runs.forget_late(run)
            return "came back late"
        party.server.finisher.put(run, outcome)
        return _told(outcome) if not run.lost or run.started_at is not None else "does not begin"


def _end_if_interrupted(outcome: Outcome) -> None:
    """Ctrl-C ends the simulation; to the executor it was the end of an attempt."""
    told = outcome.exception + outcome.traceback if isinstance(outcome, Raised) else ""
    if KeyboardInterrupt.__name__ in told:
        raise KeyboardInterrupt


def _told(outcome: Outcome) -> str:
    if isinstance(outcome, Succeeded):
        return "succeeds"
    if isinstance(outcome, Raised):
        return "is to be retried" if outcome.delay is not None else "raises"
    return "discards itself" if isinstance(outcome, Discarded) else "snoozes"


@attrs.frozen(kw_only=True)
class Records(ServerStep):
    """The finisher's: record what waits for it; after an error, the same again."""

    role: ClassVar[str | None] = "finisher"
    acts: ClassVar[str] = "records"

    def heading(self, world: "World", party: Party) -> str | None:
        """With the jobs' names."""
        assert isinstance(party, SimulatedServer)
        party.fill_batch()
        jobs = [claim_of(run) for run, _ in party.batch]
        return f"{party.name} records {names(jobs)}" if jobs else None

    def take(self, world: "World", party: Party) -> str | None:
        """What the finisher does with a batch."""
        assert isinstance(party, SimulatedServer)
        party.act(self.acts, [(run, not isinstance(o, Snoozed)) for run, o in party.batch])
        try:
            party.server.finisher.record(party.batch)
        except StorageError as error:
            party.server.outage.failed(WHAT, error, 0)
            raise
        party.server.outage.worked(WHAT)
        lost = [claim_of(run) for run, _ in party.batch if run.lost]
        party.batch = []
        return f"lost: {names(lost)}" if lost else ""


@attrs.frozen(kw_only=True)
class HandsBack(ServerStep):
    """The claim loop's: hand back what waited too long for a thread."""

    role: ClassVar[str | None] = "claim loop"
    acts: ClassVar[str] = "hands back"

    def heading(self, world: "World", party: Party) -> str | None:
        """With the jobs' names."""
        assert isinstance(party, SimulatedServer)
        jobs = [claim_of(run) for run in party.waiting]
        return f"{party.name} hands back {names(jobs)}" if jobs else None

    def take(self, world: "World", party: Party) -> str | None:
        """Uncharged."""
        assert isinstance(party, SimulatedServer)
        back, party.waiting = party.waiting, []
        party.act(self.acts, [(run, False) for run in back])
        party.server.hand_back(back)
        return ""

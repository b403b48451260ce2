"""What programs and people ask of the store, and time, which passes by itself."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from ...values.errors import QmlError, StorageUnavailable
from ...values.job import Job
from ...values.selection import JobFilter
from ...values.states import Scheduled
from ..laws.calls import Who
from .parties import Party
from .steps import Step, names

if TYPE_CHECKING:
    from .world import World


@attrs.frozen(kw_only=True)
class ClientStep(Step):
    """What a client asks. A refusal is an answer."""

    def party(self, world: "World") -> Party:
        """Any of the clients."""
        return world.client

    def take(self, world: "World", party: Party) -> str | None:
        """Ask."""
        try:
            self.ask(world, party)
        except StorageUnavailable:
            raise
        except QmlError as error:
            return type(error).__name__
        return ""

    def ask(self, world: "World", party: Party) -> None:
        """The call of the storage."""
        raise NotImplementedError


@attrs.frozen(kw_only=True)
class Enqueues(ClientStep):
    """Store jobs, all or none; ``again`` when no reply came."""

    jobs: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    again: bool = False

    acts: ClassVar[str] = "enqueues"

    def heading(self, world: "World", party: Party) -> str | None:
        """With what was said of the jobs."""
        return f"a client enqueues {names([_told(*job) for job in self.jobs])}"

    def ask(self, world: "World", party: Party) -> None:
        """With the same ids the second time."""
        jobs = []
        for job_id, fields in self.jobs:
            now = world.moment()
            given = {"created_at": now, **fields}
            due_in, expires_in = given.pop("due_in", None), given.pop("expires_in", None)
            given |= given.pop("limits", {}) | given.pop("groups", {})
            if due_in is not None:
                given["state"] = Scheduled(now, now + timedelta(seconds=due_in))
            if expires_in is not None:
                given["expires_at"] = now + timedelta(seconds=expires_in)
            jobs.append(Job("task", [job_id], id=job_id, metadata={"b": 1, "a": 2}, **given))
        try:
            party.storage.enqueue_many(jobs)
        except StorageUnavailable:
            if not self.again:
                raise
            party.storage.enqueue_many(jobs)


def _told(job_id: str, fields: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name} {_short(value)}" for name, value in fields.items())
    return f"{job_id} ({said})" if said else job_id


def _short(value: Any) -> Any:
    """A value without what goes without saying."""
    return attrs.astuple(value)[0] if attrs.has(type(value)) else value


@attrs.frozen(kw_only=True)
class CancelsMany(ClientStep):
    """Cancel all jobs that a filter names."""

    where: JobFilter

    acts: ClassVar[str] = "cancels many"

    def heading(self, world: "World", party: Party) -> str | None:
        """With what is said of them."""
        said = attrs.asdict(self.where, filter=lambda field, value: bool(value))
        told = ", ".join(f"{name} {value}" for name, value in said.items())
        return f"a client cancels all jobs{told and f' with {told}'}" if world.store.rows else None

    def ask(self, world: "World", party: Party) -> None:
        """The storage's ``cancel_many``."""
        party.storage.cancel_many(self.where)


@attrs.frozen(kw_only=True)
class AboutJob(ClientStep):
    """Something asked about one job."""

    job: str = "a"

    def heading(self, world: "World", party: Party) -> str | None:
        """With the job's name; nothing is asked about jobs that are not there."""
        return f"a client {self.acts} {self.job}" if self.job in world.store.rows else None


@attrs.frozen(kw_only=True)
class Cancels(AboutJob):
    """Cancel a job, also one that runs."""

    acts: ClassVar[str] = "cancels"

    def ask(self, world: "World", party: Party) -> None:
        """The storage's ``cancel``."""
        party.storage.cancel(self.job)


@attrs.frozen(kw_only=True)
class Retries(AboutJob):
    """Retry a job that failed or waits."""

    acts: ClassVar[str] = "retries"

    def ask(self, world: "World", party: Party) -> None:
        """The storage's ``retry``."""
        party.storage.retry(self.job)


@attrs.frozen(kw_only=True)
class Deletes(AboutJob):
    """Remove a record, whatever its state."""

    acts: ClassVar[str] = "deletes"

    def ask(self, world: "World", party: Party) -> None:
        """The storage's ``delete``."""
        world.deleted = self.job
        party.storage.delete(self.job)


@attrs.frozen(kw_only=True)
class Updates(AboutJob):
    """Read a job, then write a note into its metadata, and another priority."""

    acts: ClassVar[str] = "updates"

    def ask(self, world: "World", party: Party) -> None:
        """The storage's ``get`` and ``update``."""
        job = party.storage.get(self.job)
        if job is not None:
            party.frames[-1].who = Who(party.name, self.acts, read=job.version)
            changed = attrs.evolve(job.with_metadata(note=1), priority=world.pick((0, 1, 2)))
            party.storage.update(changed)


@attrs.frozen(kw_only=True)
class Locks(AboutJob):
    """Lock a job for a while, in whatever state it is."""

    acts: ClassVar[str] = "locks"

    def ask(self, world: "World", party: Party) -> None:
        """The storage's ``try_acquire_job_lock``."""
        party.storage.try_acquire_job_lock(self.job, party.name, world.pick((10.0, 40.0)))


@attrs.frozen(kw_only=True)
class Unlocks(AboutJob):
    """Let a lock go that a client has taken, perhaps."""

    acts: ClassVar[str] = "unlocks"

    def ask(self, world: "World", party: Party) -> None:
        """The storage's ``release_job_lock``."""
        party.storage.release_job_lock(self.job, party.name)


@attrs.frozen(kw_only=True)
class Passes(ClientStep):
    """Time passes."""

    micros: int

    acts: ClassVar[str] = "waits"

    def heading(self, world: "World", party: Party) -> str | None:
        """How long."""
        return f"{self.micros / 1e6:g} s pass" if self.micros else None

    def ask(self, world: "World", party: Party) -> None:
        """Nothing is asked."""
        world.pass_micros(self.micros)

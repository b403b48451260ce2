"""Every operation of a storage as a call on it, and jobs of every kind to call it on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs

from qml import AwaitingRetry, Failed, Job, ManualClock, Scheduled, Succeeded

from .twins import Twins

Jobs = dict[str, Job]
Call = Callable[[Any, Jobs], Any]

CREATED = ManualClock().now()

RETRY = AwaitingRetry(CREATED, CREATED + timedelta(days=30), 1, "ValueError: no")


class Scene:
    """Jobs in the oracle and in the storage, and each side's own values of them by name."""

    def __init__(self, twins: Twins) -> None:
        self.twins = twins
        self.clock = twins.clock
        self._of_oracle: Jobs = {}
        self._of_storage: Jobs = {}

    def ask(self, call: Call) -> tuple[Any, Any]:
        """Have the twins asked."""
        return self.twins.ask(
            lambda side: call(
                side, self._of_oracle if side is self.twins.oracle else self._of_storage
            )
        )

    def call(self, call: Call, storage: Any) -> Any:
        """Have another storage of the same store asked, and nobody else."""
        return call(storage, self._of_storage)

    def both(self, call: Call) -> None:
        """Do something on either side, where nothing goes wrong; a list of jobs is kept by name."""
        for side, jobs in (
            (self.twins.oracle, self._of_oracle),
            (self.twins.calm, self._of_storage),
        ):
            found = call(side, jobs)
            jobs.update({job.id: job for job in found} if isinstance(found, list) else {})

    def add(self, *names: str, **fields: Any) -> None:
        """Enqueue jobs."""
        batch = [new(name, **fields) for name in names]
        self.both(lambda s, jobs: s.enqueue_many(batch))

    def claim(self, count: int, lease: float) -> None:
        """Claim the jobs that come first."""
        self.both(lambda s, jobs: s.fetch_available_jobs_atomic("w", count, lease_seconds=lease))


def prepared(twins: Twins) -> Scene:
    """Two that finished long ago, one that failed, two whose claims have lapsed, two that "w" has
    claimed, one that is locked, and some that wait."""
    scene = Scene(twins)
    scene.add("old", "older", "failed")
    scene.claim(3, 60.0)
    for name, state in (("old", Succeeded()), ("older", Succeeded()), ("failed", Failed())):
        scene.both(lambda s, jobs, n=name, e=state: s.finish(jobs[n], e))
    scene.clock.advance(8 * 86_400)
    scene.add("lapsed", "lost")
    scene.claim(2, 1.0)
    scene.clock.advance(2)
    scene.add("one", "two")
    scene.claim(2, 60.0)
    scene.add("a", "b", "locked", queue="q")
    scene.add("keyed", unique_key="k")
    for name, days in (("due", 0), ("later", 9)):
        due = scene.clock.now() + timedelta(days=days)
        scene.add(name, state=Scheduled(CREATED, due))
    scene.both(lambda s, jobs: s.try_acquire_job_lock("locked", "z", 60))
    return scene


def new(name: str = "new", **fields: Any) -> Job:
    """A job that is not stored yet."""
    return Job("t", [name], id=name, created_at=CREATED, max_retries=3, **fields)


WRITES: dict[str, Call] = {
    "enqueue": lambda s, jobs: s.enqueue(new()),
    "enqueue_many": lambda s, jobs: s.enqueue_many([new(), new("n2", unique_key="n")]),
    "claim_one": lambda s, jobs: s.fetch_and_lock_job("w", lease_seconds=9.0),
    "claim_many": lambda s, jobs: s.fetch_available_jobs_atomic("w", 3, ["q", "default"]),
    "finish": lambda s, jobs: s.finish(jobs["one"], Succeeded(result=[1])),
    "finish_many": lambda s, jobs: s.finish_many(
        [
            (jobs["one"], Failed(exception="no")),
            (jobs["old"], Succeeded(result=2)),
            (jobs["two"], RETRY),
        ]
    ),
    "renew": lambda s, jobs: s.renew([jobs["one"], jobs["lapsed"], jobs["old"]], 99.0),
    "release": lambda s, jobs: s.release(jobs["two"]),
    "release_later": lambda s, jobs: s.release(jobs["two"], 5.0),
    "update": lambda s, jobs: s.update(jobs["a"].with_metadata(n=1)),
    "cancel": lambda s, jobs: s.cancel("keyed", "not wanted"),
    "cancel_running": lambda s, jobs: s.cancel("one"),
    "retry": lambda s, jobs: s.retry("failed"),
    "rescue": lambda s, jobs: s.rescue(),
    # How many went is not known any more when the reply was lost: Postgres says 0 then.
    "purge": lambda s, jobs: [s.purge()][1:],
    "delete": lambda s, jobs: s.delete("keyed"),
    "lock": lambda s, jobs: s.try_acquire_job_lock("a", "z", 60),
    "lock_over_a_lapsed_claim": lambda s, jobs: s.try_acquire_job_lock("lapsed", "z", 60),
    "unlock": lambda s, jobs: s.release_job_lock("locked", "z"),
    "unlock_a_claim": lambda s, jobs: s.release_job_lock("one", "w"),
}

LOOKS: dict[str, Call] = {
    "get": lambda s, jobs: s.get("a"),
    "list": lambda s, jobs: s.list(["enqueued", "processing"], 5, 1, queue="q"),
    "counts": lambda s, jobs: s.get_job_counts(),
    "available": lambda s, jobs: s.get_available_jobs(3),
    "wait": lambda s, jobs: s.wait("old", 0),
}

REFUSED: dict[str, Call] = {
    # Another job: of the very same one Postgres says that it is stored, after a lost reply.
    "enqueue_a_taken_id": lambda s, jobs: s.enqueue(attrs.evolve(new("a"), arguments=["x"])),
    "enqueue_a_held_key": lambda s, jobs: s.enqueue_many([new(), new("n", unique_key="k")]),
    "finish_of_a_stale_claim": lambda s, jobs: s.finish(jobs["old"], Failed()),
    "update_of_an_old_version": lambda s, jobs: s.update(attrs.evolve(jobs["a"], version=9)),
    "lock_of_a_held_job": lambda s, jobs: s.try_acquire_job_lock("one", "z", 60),
}

CALLS = {**WRITES, **LOOKS, **REFUSED}

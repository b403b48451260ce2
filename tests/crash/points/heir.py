"""The process that comes after a kill: it opens the store and looks at it from all sides.

Then it makes the call that was cut short once more, and does the rest of the work.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs

from qml.seam.rows import After, Page
from qml.storage.storage import Storage
from qml.storage.urls import Config
from qml.testing.compare import difference, outcome
from qml.values.retention import Retention
from qml.values.states import FINAL

from ..ledger import Ledger, Note
from .migrations import NEWEST
from .scenario import BATCH, SHARED, STEPS
from .stores import Stores
from .story import Expected
from .victim import claims
from .world import Oracle, Real, Snapshot, plain

Faults = Iterator[tuple[str, str]]
"""Of each, the promise that is broken and how."""

ROUNDS, PAUSE = 10, 20_000.0
"""Of a server's work, and seconds between two: all jobs have long ended then."""


class Heir:
    """One look at one store. ``notes``: what the dead wrote down; ``begun``: when the look began,
    by the monotonic clock."""

    def __init__(
        self,
        stores: Stores,
        config: Config,
        expected: list[Expected],
        notes: list[Note],
        ledger: Ledger,
        begun: float,
    ) -> None:
        self._stores = stores
        self._config = config
        self._expected = expected
        self._acks = [note for note in notes if note["kind"] == "ack"]
        self._cut_short = len(self._acks) < sum(note["kind"] == "intent" for note in notes)
        self._ledger = ledger
        self._begun = begun
        self._claims = [(job, fence) for ack in self._acks for job, fence in ack["claims"]]

    def faults(self, structure: list[str]) -> Faults:
        """Everything. ``structure``: what a store has to have."""
        yield from self._of_answers()
        world = Real(self._config, self._oracles()[0].clock, NEWEST)
        world.open(NEWEST)
        found = world.look()
        self._ledger.note("opened", seconds=time.monotonic() - self._begun)
        if self._stores.structure(self._config) != structure:
            yield "the schema is whole", f"it is {self._stores.structure(self._config)}"
        unlike = [state.unlike(found) for state in self._states()]
        parts = [part for part, told in enumerate(unlike) if told is None]
        self._ledger.note("kept", cut_short=self._cut_short, parts=parts, of=len(unlike))
        if not parts:
            yield self._of_kept(unlike)
        yield from self._of_indexes(world.storage)
        yield from self._of_flaws()  # now, since servers mend some things
        if self._cut_short and parts:
            yield from self._of_asking_again(world, self._oracles()[parts[-1]])
        yield from self._of_the_rest(world)
        world.close()
        yield from self._of_flaws()

    def _of_flaws(self) -> Faults:
        yield from (("the store is sound", flaw) for flaw in self._stores.flaws(self._config))

    def _of_answers(self) -> Faults:
        for ack, step in zip(self._acks, STEPS, strict=False):
            if ack["wrong"]:
                yield "answers are right", f"{step.name}: {ack['wrong']}"

    # -- what was acknowledged is there, what was cut short wholly or not at all ---------------

    def _states(self) -> tuple[Snapshot, ...]:
        """How the store may look."""
        done = len(self._acks)
        if self._cut_short:
            return self._expected[done].states
        return self._expected[done - 1].states[-1:]

    def _oracles(self) -> tuple[Oracle, ...]:
        """The same, to go on with."""
        done = len(self._acks)
        if self._cut_short:
            return self._expected[done].oracles
        return self._expected[done - 1].oracles[-1:]

    def _of_kept(self, unlike: list[str | None]) -> tuple[str, str]:
        """``unlike``: what differs from each state that the store may be in."""
        if self._cut_short:
            told = f"as before the call: {unlike[0]}; as after it: {unlike[-1]}"
            return "a call is carried out wholly or not at all", told
        return "what was acknowledged is there", str(unlike[0])

    def _of_indexes(self, storage: Storage) -> Faults:
        """Every way to ask leads to the same records."""
        jobs = storage.list()
        ids = [job.id for job in jobs]
        rows = storage.driver.scan(After(0, 1_000))
        counts = {by: storage.driver.count(Page(), by) for by in ("queue", "method", "state")}
        should = {
            "queue": Counter(job.queue for job in jobs),
            "method": Counter(job.method for job in jobs),
            "state": Counter(job.state.kind.value for job in jobs),
        }
        if counts != should:
            yield "counts agree with the records", f"{counts}, and should be {should}"
        if [row.id for row in reversed(rows)] != ids or len(set(ids)) != len(ids):
            yield "lists agree", f"{ids} and {[row.id for row in rows]}"
        if storage.get_many(ids) != jobs:
            yield "lists agree", "jobs by their ids are others than in the list"
        for state in counts["state"]:
            listed = [row.id for row in storage.driver.scan(Page(states=(state,)))]
            if listed != [job.id for job in jobs if job.state.kind == state]:
                yield "lists agree", f"{state} are {listed}"

    # -- the same call again -------------------------------------------------------------------

    def _of_asking_again(self, world: Real, oracle: Oracle) -> Faults:
        """Whoever does not know what became of his call may make it again. ``oracle``: as the store
        was found."""
        step = STEPS[len(self._acks)]
        # Its hands are the dead one's, by way of the oracle, which numbers rows otherwise.
        world.hands = {key: attrs.evolve(job, seq=None) for key, job in oracle.hands.items()}
        promised, answer = (plain(outcome(step.take, w)) for w in (oracle, world))
        self._claims += claims(answer)
        told = difference(promised, answer)
        if told:
            yield "a call may be made again", f"{step.name}: {told}"
        if world.storage is not None:
            told = oracle.look().unlike(world.look())
            if told:
                yield "a call may be made again", f"after {step.name}: {told}"

    # -- the rest of the work ------------------------------------------------------------------

    def _of_the_rest(self, world: Real) -> Faults:
        """A server does it: each job comes to one end, and no fence is given twice."""
        if world.storage is None:  # the call made again was a close
            world.open(NEWEST)
        world.storage.retention = Retention()  # or the first purge would leave little to look at
        for schedule in world.storage.schedules.list():  # or there would never be an end
            world.storage.schedules.remove(schedule.name)
        world.storage.queues.resume(SHARED)  # whoever paused it, or filled the batch, may be dead
        world.expect(BATCH, False)
        before = {job.id: job for job in world.storage.list() if job.retention is None}
        given = self._work(world)
        after = {job.id: job for job in world.storage.list() if job.retention is None}
        strangers = {job.id for job in after.values() if job.method != "follows"} - before.keys()
        if lost := before.keys() - after.keys():
            yield "no job is lost", f"{sorted(lost)}"
        if strangers:
            yield "no job comes from nowhere", f"{sorted(strangers)}"
        for job in after.values():
            then = before.get(job.id, job)
            if job.state.kind not in FINAL:
                yield "each job ends", f"{job.id} is {job.state.kind} after {ROUNDS} rounds"
            elif then.state.kind in FINAL and plain(then) != plain(job):
                yield "final is final", f"{job.id} was {then} and is {job}"
        every = self._claims + given
        for job_id, fence in {claim for claim in every if every.count(claim) > 1}:
            yield "no fence is given twice", f"fence {fence} of job {job_id}"
        for job_id, fence in given:
            if job_id in before and fence <= before[job_id].fence:
                yield "no fence is given twice", f"fence {fence} of job {job_id}, which had it"
        yield from self._of_indexes(world.storage)
        self._ledger.note("worked", jobs=sum(j.state.kind not in FINAL for j in before.values()))

    def _work(self, world: Real) -> list[tuple[str, int]]:
        """Until nothing is left to do; the claims that were given for it."""
        claim, given = world.storage.claim, []

        def noted(*order: Any, **settings: Any) -> Any:
            batch = claim(*order, **settings)
            given.extend(claims(batch.jobs))
            return batch

        world.storage.claim = noted
        server = world.app(snoozing=False).server(threads=4)
        for _ in range(ROUNDS):
            server.tick()
            while server.step():
                pass
            counts = world.storage.get_job_counts()
            if sum(counts.values()) == sum(counts[kind] for kind in FINAL):
                break
            world.clock.advance(PAUSE)
        return given

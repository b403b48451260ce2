"""The oracle's groups: how many jobs of each are left, and who waits for their end."""

from collections.abc import Hashable, Sequence

import attrs

from ..values.errors import JobNotFound
from ..values.job import Job
from ..values.states import FINAL, WAITING, StateKind
from ..values.times import EPOCH
from .table import Entry, Table
from .ties import Tally, Ties

Ids = tuple[str, ...]


class Grouped(Table):
    """What jobs have to do with others: batches, and jobs that come after others."""

    def expect(self, batch: str, more: bool) -> None:
        """Whether more jobs of a batch are to come."""
        name = _batch(batch)
        if more:
            self.tallies.setdefault(name, Tally())
        if name in self.tallies:
            self.tallies[name] = self.tallies[name]._replace(open=more)
            self._add(name, 0, 0)

    def progress(self, batch: str) -> tuple[dict[StateKind, int], bool]:
        """How many jobs of a batch are in each state, and whether more are to come."""
        kinds = [e.job.state.kind for e in self.entries if e.ties.batch == batch]
        tally = self.tallies.get(_batch(batch))
        return {kind: kinds.count(kind) for kind in StateKind}, tally is not None and tally.open

    def _need_parents(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            for parent in job.after:
                if self._find(parent) is None:
                    raise JobNotFound(f"job {job.id} comes after {parent}", job_id=parent)

    def _parents(self, job: Job) -> Ids:
        """The jobs that a new one comes after. One of its jobs stands for a batch that is over, one
        that did not succeed if there is any."""
        if job.after_batch is None or _batch(job.after_batch) in self.tallies:
            return job.after
        jobs = [e.job for e in reversed(self.entries) if e.ties.batch == job.after_batch]
        ended = [one for one in jobs if one.state.kind in FINAL - {StateKind.SUCCEEDED}]
        return tuple(one.id for one in (ended or jobs)[:1])

    def _join(self, entry: Entry, parents: Ids) -> None:
        """A new entry: one more of its batch, and one that waits, perhaps."""
        job, kind = entry.job, entry.job.state.kind
        entry.ties = Ties(
            batch=job.batch,
            counts=() if job.batch is None else (_batch(job.batch),),
            awaits=("job", job.id, job.seq) if parents else _batch_awaited(job),
            needs_all=job.needs_success,
            sleeps=job.waits and kind in WAITING,
            ended_as=kind if kind in FINAL else None,
        )
        if entry.ties.sleeps and parents:
            self._come_after(entry, parents)
        if entry.ties.sleeps:
            self.tallies.setdefault(entry.ties.awaits, Tally())
        for name in entry.ties.counts if kind not in FINAL else ():
            self.tallies.setdefault(name, Tally())
            self._add(name, 1, 0)

    def _come_after(self, entry: Entry, ids: Ids) -> None:
        """Its parents' ends count from now on; those that have ended, at once."""
        parents = [self._need(parent) for parent in ids]
        ended = [parent.job.state.kind for parent in parents if parent.ties.ended_as]
        failed = sum(kind is not StateKind.SUCCEEDED for kind in ended)
        if len(ended) == len(parents):
            self._wake(entry, failed)
            return
        for parent in parents:
            if not parent.ties.ended_as:
                counts = (*parent.ties.counts, entry.ties.awaits)
                parent.ties = attrs.evolve(parent.ties, counts=counts)
        left = len(parents) - len(ended)
        self.tallies[entry.ties.awaits] = Tally(left, False, failed)

    def _settle(self, entry: Entry) -> None:
        """What follows from an entry's state."""
        entry.settle(self.now())
        self._count(entry)

    def _count(self, entry: Entry) -> None:
        """Count that an entry has ended, or is unfinished again."""
        was, kind = entry.ties.ended_as, entry.job.state.kind
        is_over = kind in FINAL
        entry.ties = attrs.evolve(entry.ties, ended_as=kind if is_over else None)
        if is_over and was is None:
            self._add_all(entry, -1, int(kind is not StateKind.SUCCEEDED))
        elif was is not None and not is_over:
            self._add_all(entry, 1, -int(was is not StateKind.SUCCEEDED))

    def _drop(self, gone: Sequence[Entry]) -> None:
        super()._drop(gone)
        for entry in gone:
            if entry.ties.ended_as is None:
                self._add_all(entry, -1, 1)

    def _add_all(self, entry: Entry, left: int, failed: int) -> None:
        for name in entry.ties.counts:
            self._add(name, left, failed)

    def _add(self, name: Hashable, left: int, failed: int) -> None:
        """One that is over by this is forgotten, and wakes who waits for it."""
        if name not in self.tallies:
            return
        before = self.tallies[name]
        tally = Tally(before.left + left, before.open, before.failed + failed)
        self.tallies[name] = tally
        if tally.left > 0 or tally.open:
            return
        del self.tallies[name]
        for entry in self._pick(lambda one: one.ties.sleeps and one.ties.awaits == name):
            self._wake(entry, tally.failed)
            entry.change()

    def _wake(self, entry: Entry, failed: int) -> None:
        """Due at once; or never to start, if it needed the success of all."""
        entry.ties = attrs.evolve(entry.ties, sleeps=False, woken=True)
        if failed and entry.ties.needs_all:
            entry.job = attrs.evolve(entry.job, expires_at=EPOCH)


def _batch(name: str) -> Hashable:
    return "batch", name


def _batch_awaited(job: Job) -> Hashable:
    """The group of the batch that a job waits for; None = it waits for none."""
    return None if job.after_batch is None else _batch(job.after_batch)

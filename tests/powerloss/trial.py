"""Many power losses in one recorded run, each at a moment, and with fates, of its own."""

import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from qml import Job

from . import judge
from .commits import commits
from .disk import Disk, Image
from .promises import Call, Ledger
from .recording import DATABASE
from .trace import Answered, Created, Deleted, Event, Synced, Truncated, Wrote

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Where files are made to be looked at once: no disk has to keep them."""


SOON = 40
"""Events that are the course of one thing."""


class Life(NamedTuple):
    """What a run began with: the files that a power loss left, and what is in them."""

    files: Image
    database: bytes
    jobs: list[Job]


class Loss(NamedTuple):
    """One power loss, at the event of number ``moment``. ``fates``: of the files with something not
    synced. ``faults``: what must not be. ``calls``: those that were answered and whose commits are
    gone, oldest first; ``seconds`` before the power went the first of them was answered. ``life``:
    what a next run may begin with; None = there is no table yet."""

    moment: int
    fates: tuple[str, ...]
    files: Image
    faults: list[str]
    calls: list[Call]
    seconds: float
    life: Life | None


class Trial:
    """A recorded run, and its power losses. ``full``: what was acknowledged has to be there."""

    def __init__(self, events: Sequence[Event], life: Life | None, *, full: bool) -> None:
        self.events = events
        self.life = life
        self.full = full
        self.commits = commits(events, DATABASE, life and life.database)
        self.ledger = Ledger(events, self.commits, life.jobs if life else ())
        first = judge.digest(life.database) if life else None
        states = [first, *(commit.digest for commit in self.commits)]
        self._states = {state: number for number, state in enumerate(states)}

    def losses(self, rng: random.Random, count: int) -> Iterator[Loss]:
        """So many, from the earliest moment to the last."""
        disk, followed = Disk(), 0
        for moment in sorted(self._moments(rng, count)):
            for number in range(followed, moment):
                disk.follow(number, self.events[number])
            followed = moment
            files, fates = disk.image(rng)
            with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
                yield self._loss(Path(folder), moment, files, fates)

    def _moments(self, rng: random.Random, count: int) -> Iterator[int]:
        """Many just after an answer, when most is promised, and many in the course of what happens
        seldom: files are made and removed, a log begins anew, a checkpoint."""
        begin = 1 + next(n for n, event in enumerate(self.events) if isinstance(event.what, Synced))
        answers, turns = [begin], [begin]  # what was there before is safe
        for number, event in enumerate(self.events[begin:], begin + 1):
            if isinstance(event.what, Answered):
                answers.append(number)
            elif isinstance(event.what, Created | Deleted | Truncated) or _at_the_start(event.what):
                turns.append(number)
        for _ in range(count):
            kind = rng.random()
            if kind < 0.4:
                yield rng.choice(answers)
            elif kind < 0.7:
                yield min(len(self.events), rng.choice(turns) + rng.randrange(SOON))
            else:
                yield rng.randrange(begin, len(self.events) + 1)

    def _loss(self, folder: Path, moment: int, files: Image, fates: tuple[str, ...]) -> Loss:
        for copy in ("sqlite", "qml"):
            (folder / copy).mkdir()
            for name, content in files.items():
                (folder / copy / name).write_bytes(content)
        found = judge.look(folder / "sqlite", DATABASE)
        faults, jobs = list(found.faults), []
        try:
            jobs = judge.read(folder / "qml", DATABASE)
        except Exception as error:
            faults.append(f"qml: {error!r}")
        if not faults and {job.id: job.version for job in jobs} != found.versions:
            faults.append("qml finds other jobs than SQLite does")
        there = self._states.get(found.digest)
        if not faults:
            faults += self._judged(moment, there, {job.id: job for job in jobs})
        calls = [] if there is None else [*self._lost(moment, there)]
        seconds = self.events[moment - 1].at - self.events[calls[0].ended].at if calls else 0.0
        life = None if found.digest is None or faults else Life(files, found.database, jobs)
        return Loss(moment, fates, files, faults, calls, seconds, life)

    def _judged(self, moment: int, there: int | None, jobs: dict[str, Job]) -> Iterator[str]:
        promises = self.ledger.at(moment)
        yield from judge.true(jobs, promises, self.ledger)
        if there is None:
            yield "the database is not what it was after any commit"
        elif self.full and there < promises.commits:
            yield f"{there} commits are there, {promises.commits} were acknowledged"
        if self.full:
            yield from judge.kept(jobs, promises)

    def _lost(self, moment: int, there: int) -> Iterator[Call]:
        for call in self.ledger.calls:
            if call.ended < moment and call.commits is not None and call.commits > there:
                yield call


def _at_the_start(act: object) -> bool:
    return isinstance(act, Wrote) and act.offset == 0

"""What becomes of a job whose unique key another holds: refused, answered by it, put in its place.

The store's own constraint finds the conflict, at the insert, and only then the holder is looked at.
Where it let go of the key meanwhile, the insert is tried anew. So nothing is decided by a look
before the write: a holder is the answer as it was while it held the key, or is replaced by version.
"""

from collections.abc import Iterator, Mapping, Sequence

from ..seam import codec
from ..seam.driver import Driver
from ..seam.rows import KEY_FREE, Obstacle, Rewrite, Row, Verdict, as_rewritten
from ..values import trusted
from ..values.errors import ConfigurationError, UniqueKeyTaken
from ..values.job import Job
from ..values.states import WAITING
from . import rules, storing
from .storing import Limits

ON_CONFLICT = ("raise", "existing", "replace")

TRIES = 100
"""How often a key that was held and is free again is asked for, before it counts as held."""


def policy(on_conflict: object) -> str:
    """One of ``ON_CONFLICT``; else a ConfigurationError."""
    if not isinstance(on_conflict, str) or on_conflict not in ON_CONFLICT:
        known = ", ".join(map(repr, ON_CONFLICT))
        raise ConfigurationError(f"on_conflict is {on_conflict!r}; give one of {known}")
    return on_conflict


class Placing:
    """Stores jobs by a policy that refuses none for its key. ``stored``: the new; ``replaced``:
    holders with the content of one of these jobs; of both what was done so far, should it end by
    an error."""

    def __init__(self, driver: Driver, now: int, limits: Limits) -> None:
        self.stored: list[Job] = []
        self.replaced: list[Job] = []
        self._driver = driver
        self._now = now
        self._limits = limits

    def place(self, jobs: Sequence[Job], on_conflict: str) -> list[Job]:
        """For each job what stands for it in the store: itself, or who holds its key. Of several
        with one key the first counts, or the last where it is to replace the others."""
        replaces = policy(on_conflict) == "replace"
        if replaces:
            _check_that_they_wait(jobs)
        counting = _counting(jobs, last=replaces)
        chosen = {index: jobs[index] for index in sorted(set(counting))}
        found, held = self._store(chosen, replaces)
        if replaces:
            found |= self._replace(chosen, held)
        else:
            found |= {index: codec.decode_job(row) for index, row in held.items()}
        return [found[index] for index in counting]

    # -- storing -------------------------------------------------------------------------------

    def _store(
        self, jobs: Mapping[int, Job], replaces: bool
    ) -> tuple[dict[int, Job], dict[int, Row]]:
        """Store those whose key is free, all of them in one step or none; and who holds the key of
        each of the others."""
        left, held = dict(jobs), dict[int, Row]()
        for _ in range(TRIES):
            order = list(left)
            obstacles = self._insert(list(left.values()))
            if not obstacles:
                return dict(zip(order, self.stored, strict=True)), held
            for obstacle, row in self._holders(list(left.values()), obstacles):
                if replaces:
                    _check_that_it_waits(row, left[order[obstacle.index]])
                held[order[obstacle.index]] = row
            left = {index: job for index, job in left.items() if index not in held}
        raise storing.refusal(list(left.values()), obstacles)

    def _insert(self, jobs: Sequence[Job]) -> Sequence[Obstacle]:
        """Store these, or say whose keys are held: JobAlreadyExists for a taken id."""
        if not jobs:
            return ()
        stored, obstacles = storing.insert(self._driver, jobs, self._now, self._limits)
        taken = [obstacle for obstacle in obstacles if obstacle.by != "key"]
        if taken:
            raise storing.refusal(jobs, taken)
        self.stored += stored
        return obstacles

    def _holders(
        self, jobs: Sequence[Job], obstacles: Sequence[Obstacle]
    ) -> Iterator[tuple[Obstacle, Row]]:
        """The holders, as far as they hold the keys still."""
        rows = self._driver.load([obstacle.holder for obstacle in obstacles])
        for obstacle, row in zip(obstacles, rows, strict=True):
            if row is not None and _holds(row, jobs[obstacle.index]):
                yield obstacle, row

    # -- replacing -----------------------------------------------------------------------------

    def _replace(self, jobs: Mapping[int, Job], held: Mapping[int, Row]) -> dict[int, Job]:
        """Give each holder, as it was seen, the content of its job: one guarded step for each."""
        rewrites = [self._rewrite(jobs[index], row) for index, row in held.items()]
        verdicts = self._driver.swap(rewrites) if rewrites else []
        found = {}
        for (index, row), rewrite, verdict in zip(held.items(), rewrites, verdicts, strict=True):
            if verdict is Verdict.DONE:
                found[index] = self._replaced(row, rewrite)
        for index in sorted(held.keys() - found.keys()):  # another hand was faster
            found[index] = self._replace_anew(jobs[index])
        return found

    def _replace_anew(self, job: Job) -> Job:
        for _ in range(TRIES):
            obstacles = self._insert([job])
            if not obstacles:
                return self.stored[-1]
            for _, row in self._holders([job], obstacles):
                _check_that_it_waits(row, job, len(self.stored) + len(self.replaced))
                rewrite = self._rewrite(job, row)
                if self._driver.swap([rewrite]) == [Verdict.DONE]:
                    return self._replaced(row, rewrite)
        raise storing.refusal([job], obstacles)

    def _replaced(self, row: Row, rewrite: Rewrite) -> Job:
        self.replaced.append(codec.decode_job(as_rewritten(row, rewrite)))
        return self.replaced[-1]

    def _rewrite(self, job: Job, row: Row) -> Rewrite:
        """The holder with the content of ``job``: attempts and failures begin anew; its identity,
        its place in the order, its fence and a lock on it stay. One that was claimed before keeps
        its scope, too: "queued" would let go of the key at the next change."""
        scope = row.unique_while if row.fence else job.unique_while
        new = codec.encode_job(
            trusted.changed(job, unique_while=scope, attempt=0, fence=0, failures=()),
            max_attempts=rules.attempts_allowed(job, self._limits.policy),
            lease_until=None,
            max_bytes=self._limits.max_bytes,
        )
        same = {name: getattr(row, name) for name in ("seq", "id", "fence", "created_at")}
        new = new._replace(version=row.version + 1, **same)
        return Rewrite(row.seq, row.version, new, keeps_lease=True, keeps_payload=False)


def _counting(jobs: Sequence[Job], *, last: bool) -> list[int]:
    """For each job the index of the one that counts for its key, itself if it asks for none."""
    of_key: dict[str, int] = {}
    for index, job in enumerate(jobs):
        if (key := _wanted(job)) is not None and (last or key not in of_key):
            of_key[key] = index
    return [of_key.get(_wanted(job) or "", index) for index, job in enumerate(jobs)]


def _wanted(job: Job) -> str | None:
    """The key that a job reserves once it is stored."""
    return None if codec.key_held(job) == KEY_FREE else job.unique_key


def _holds(row: Row, job: Job) -> bool:
    return row.key_held != KEY_FREE and row.unique_key == job.unique_key


def _check_that_they_wait(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if _wanted(job) is None:
            continue
        what = None if job.state.kind in WAITING else f"is given as {job.state.kind}"
        if job.batch is not None or job.waits:
            what = "is part of a batch, or to start after others"
        if what is not None:
            raise ConfigurationError(
                f"job {job.id} ({job.method}) {what}, and on_conflict is 'replace'; only a job "
                "that waits by itself can take another's place"
            )


def _check_that_it_waits(row: Row, job: Job, done: int = 0) -> None:
    """UniqueKeyTaken, if another cannot take the place of this holder."""
    why = _standing(row)
    if why is None:
        return
    others = f"; {done} others of the batch were stored or put in place before" if done else ""
    raise UniqueKeyTaken(
        f"job {job.id} ({job.method}): unique key {job.unique_key!r} is held by job {row.id}, "
        f"which {why} and cannot be replaced; wait for its end, or cancel it{others}",
        job_id=row.id,
    )


def _standing(row: Row) -> str | None:
    """Why nothing may take the place of this row: others count on it, or it has begun."""
    if row.state not in WAITING:
        return "runs already"
    if row.batch is not None:
        return f"is part of batch {row.batch!r}"
    if row.awaits is not None:
        return "was to start after others"
    steps = ", ".join(codec.decode_job(row).notes.steps)  # the other would take them for its own
    return f"has done {steps} already" if steps else None

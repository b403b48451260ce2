"""What must hold after any schedule, whatever the oracle says.

How jobs are ordered is the business of ``available``; what limits, batches and pauses keep back has
laws of its own.
"""

from collections import Counter
from collections.abc import Iterator

from ...values.job import Job
from ...values.states import FINAL, Processing, StateKind
from ..table import due_time
from .together import BATCH
from .trials import Run


def broken(run: Run) -> str | None:
    """The first law that the run breaks, in words; None when it breaks none."""
    return next(_all(run), None)


def _all(run: Run) -> Iterator[str]:
    yield from _fences(run)
    yield from _claims(run)
    yield from _counts(run)
    yield from _available(run)
    yield from _key(run)
    yield from _limits(run)
    yield from _woken(run)


def _fences(run: Run) -> Iterator[str]:
    """Law 5: a fence is given once."""
    given = Counter((job.id, job.seq, job.fence) for job in run.ending.claims)
    for (job_id, _, fence), times in given.items():
        if times > 1:
            yield f"fence {fence} of job {job_id} was given {times} times"


def _claims(run: Run) -> Iterator[str]:
    """Law 1: one claim at most holds a job, and it is the one that the record shows."""
    ending = run.ending
    live = [job for job, holds in zip(ending.claims, ending.renewed, strict=True) if holds]
    for job_id, times in Counter(job.id for job in live).items():
        if times > 1:
            yield f"{times} claims hold job {job_id} at once"
    records = {job.id: job for job in ending.records}
    for claim in live:
        record = records.get(claim.id)
        if record is None or record.fence != claim.fence or record.seq != claim.seq:
            yield f"a claim with fence {claim.fence} holds job {claim.id}, and its record differs"


def _counts(run: Run) -> Iterator[str]:
    """Counts are those of the records."""
    kinds = Counter(job.state.kind for job in run.ending.records)
    counted = {kind: run.ending.counts.get(kind, 0) for kind in StateKind}
    if counted != {kind: kinds[kind] for kind in StateKind}:
        yield f"the counts are {counted}, the records {dict(kinds)}"


def _available(run: Run) -> Iterator[str]:
    """Available is what is due and held by nobody; who is held by nobody has no live lease."""
    held = {kept.job for kept in run.ending.kept if kept.holder is not None}
    ready = [job.id for job in _ready(run) if not _is_kept_back(job)]
    shown = [job.id for job in run.ending.available if not _is_kept_back(job)]
    if shown != ready:
        yield f"available are {shown}, by the records {ready}"
    for job in run.ending.records:
        leased = job.lease_expires_at is not None and job.lease_expires_at > run.now
        if leased != (job.id in held):
            yield f"the lease of job {job.id} and who holds it do not agree"
        if leased and job.state.kind is StateKind.PROCESSING:
            yield from _holder(run, job.id, job.state)


def _holder(run: Run, job_id: str, state: object) -> Iterator[str]:
    [holder] = [kept.holder for kept in run.ending.kept if kept.job == job_id]
    if isinstance(state, Processing) and holder != state.worker_id:
        yield f"job {job_id} is processed by {state.worker_id} and held by {holder}"


def _key(run: Run) -> Iterator[str]:
    """Who has a unique key is a job that asks for it, and no other that must have it is there."""
    records = {job.id: job for job in run.ending.records}
    keeper = records.get(run.ending.key_holder or "")
    if run.ending.key_holder is not None and (keeper is None or keeper.unique_key is None):
        yield f"the key is held by job {run.ending.key_holder}, which does not ask for it"
    for job in records.values():
        waits = job.state.kind in (StateKind.ENQUEUED, StateKind.SCHEDULED)
        if waits and job.fence == 0 and job.unique_key and job.id != run.ending.key_holder:
            yield f"job {job.id} waits under a key that {run.ending.key_holder} holds"


def _ready(run: Run) -> list[Job]:
    """By the records: due, held by nobody, in no paused queue; oldest first, since their priorities
    are equal."""
    held = {kept.job for kept in run.ending.kept if kept.holder is not None}
    return [
        job
        for job in reversed(run.ending.records)
        if (due := due_time(job.state)) and due <= run.now and job.id not in held
        if job.expires_at is None or job.expires_at > run.now
        if job.queue not in run.ending.paused
    ]


def _is_kept_back(job: Job) -> bool:
    """Whether it may be ready, and others stand in its way."""
    waits = job.waits and job.state.kind is StateKind.SCHEDULED
    return waits or job.concurrency_key is not None


def _limits(run: Run) -> Iterator[str]:
    """Of a key as many run as may, and no more: the last claim leaves none waiting that
    could start, whoever came and went before it."""
    ending = run.ending
    live = {kept.job for kept in ending.kept if kept.runs}
    live |= {job.id for job, holds in zip(ending.claims, ending.renewed, strict=True) if holds}
    for key, limit in {(job.concurrency_key, job.concurrency_limit) for job in ending.records}:
        if key is None or limit is None:
            continue
        running = [
            job.id for job in ending.records if job.id in live and job.concurrency_key == key
        ]
        taken = [job.id for job in ending.following if job.concurrency_key == key]
        ready = [job.id for job in _ready(run) if job.concurrency_key == key]
        if len(running) + len(taken) > limit:
            yield f"of key {key} {limit} may run; {running} do, and {taken} were claimed besides"
        if len(running) + len(taken) < limit and set(ready) - set(taken):
            yield f"of key {key} {limit} may run; {running} do, and of {ready} {taken} were claimed"


def _woken(run: Run) -> Iterator[str]:
    """Who waits for others is due once none is left of them; one was not claimed before."""
    unfinished = {job.id for job in run.ending.records if job.state.kind not in FINAL}
    shown = {job.id for job in run.ending.following}
    for job in _ready(run):
        if job.waits and job.id not in shown and not _left(job, run, unfinished):
            yield f"job {job.id} waits, and nothing is left of what it is to come after"


def _left(job: Job, run: Run, unfinished: set[str]) -> bool:
    if job.after:
        return bool(unfinished.intersection(job.after))
    _, more = run.ending.batch
    members = {job.id for job in run.ending.records if job.batch == BATCH}
    return more or bool(unfinished & members)

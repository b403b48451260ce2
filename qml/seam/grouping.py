"""What a job shares with others, as columns of its row: limits, a batch, what it waits for."""

from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from ..values import jsontext
from ..values.job import Job
from . import lanes


def lane(job: Job) -> str | None:
    """Which limits a job is under, with the others of its queue; None = none."""
    if job.concurrency_key is None and job.rate is None:
        return None
    gap, burst = (job.rate.gap, job.rate.burst) if job.rate else (None, None)
    return lanes.encode(
        lanes.Lane(job.queue, job.concurrency_key, job.concurrency_limit, job.rate_key, gap, burst)
    )


def batch_tally(name: str) -> str:
    """The tally that the jobs of a batch count for."""
    return f"batch/{name}"


def awaited(job: Job) -> str | None:
    """The tally that a job waits for; None = it waits for none."""
    if job.after_batch is not None:
        return batch_tally(job.after_batch)
    return f"job/{job.id}" if job.after else None


def counts(job: Job) -> str | None:
    """The tallies that the end of a new job counts for."""
    return None if job.batch is None else jsontext.dumps([batch_tally(job.batch)])


_shares = attrgetter("concurrency_key", "rate", "batch", "after", "after_batch")
_NOTHING = (None, None, None, (), None)

_ALONE: Mapping[str, Any] = MappingProxyType(
    {
        "lane": None,
        "permit": None,
        "batch": None,
        "counts": None,
        "awaits": None,
        "needs_all": 0,
    }
)


def columns(job: Job) -> Mapping[str, Any]:
    """The columns of a new job's row that say what it shares."""
    if _shares(job) == _NOTHING:
        return _ALONE
    return {
        "lane": lane(job),
        "permit": job.concurrency_key,
        "batch": job.batch,
        "counts": counts(job),
        "awaits": awaited(job),
        "needs_all": int(job.waits and job.needs_success),
    }

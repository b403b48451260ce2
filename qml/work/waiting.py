"""Options that say what a job waits for, and whom it belongs to."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from ..values.errors import ConfigurationError
from ..values.job import Job


class Named:
    """A batch, by its name."""

    name: str


After = float | timedelta | datetime | Job | Iterable[Job | str] | Named | None
"""What ``run_after`` may be: a time; or jobs (or their ids), or a batch, that have to end before.
"""

IF_FAILED = ("cancel", "run")


def awaited(run_after: Any) -> dict[str, Any]:
    """The fields of a job that waits for others by ``run_after``; none if that is a time."""
    if isinstance(run_after, Named):
        return {"after_batch": run_after.name}
    ids = _parents(run_after)
    return {"after": ids} if ids else {}


def _parents(run_after: Any) -> tuple[str, ...]:
    if isinstance(run_after, Job):
        return (run_after.id,)
    if isinstance(run_after, str) or not isinstance(run_after, Iterable):
        return ()
    found = [one.id if isinstance(one, Job) else one for one in run_after]
    if not found or not all(isinstance(one, str) and one for one in found):
        raise ConfigurationError(
            f"run_after is {run_after!r}; give the jobs to wait for, or their ids, at least one"
        )
    return tuple(dict.fromkeys(found))


def if_failed(value: object) -> str:
    """What to do when one that is waited for does not succeed."""
    if value not in IF_FAILED:
        raise ConfigurationError(f"if_failed is {value!r}; give one of {', '.join(IF_FAILED)}")
    return str(value)


def batch_name(value: Any) -> str | None:
    """The name of a batch: that, or the batch itself."""
    name = value.name if isinstance(value, Named) else value
    if name is not None and (not isinstance(name, str) or not name):
        raise ConfigurationError(f"batch is {value!r}; give a batch, or the name of one")
    return name

"""What is set once of a job, and no driver looks at: written behind its arguments, if anything."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from ..values.errors import SerializationError
from ..values.followup import Followup
from ..values.job import Job
from ..values.retention import Retention
from ..values.times import from_micros, to_micros

NONE_SET: Mapping[str, Any] = MappingProxyType(
    {"retention": None, "on_failure": None, "schedule": None, "slot": None}
)


def encode(job: Job) -> list[dict[str, Any]]:
    """One object with what is set; or none of it."""
    found: dict[str, Any] = {}
    if job.retention is not None:
        found["retention"] = attrs.astuple(job.retention)
    if job.on_failure is not None:
        found["on_failure"] = attrs.astuple(job.on_failure)
    if job.schedule is not None:
        found["schedule"] = job.schedule
    if job.slot is not None:
        found["slot"] = to_micros(job.slot)
    return [found] if found else []


def decode(found: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The fields of a job that ``encode`` wrote; raises what reading a damaged record may."""
    if not found:
        return NONE_SET
    if type(found) is not dict:
        raise SerializationError("has settings that are no object")
    return {
        "retention": found.get("retention") and _retention(*found["retention"]),
        "on_failure": found.get("on_failure") and _followup(*found["on_failure"]),
        "schedule": found.get("schedule"),
        "slot": None if found.get("slot") is None else from_micros(found["slot"]),
    }


def _followup(*parts: Any) -> Followup:
    """One that can be enqueued, or the job could never fail."""
    after = Followup(*parts)
    Job(**attrs.asdict(after))
    return after


def _retention(succeeded: float, deleted: float, failed: float) -> Retention:
    return Retention(succeeded=succeeded, deleted=deleted, failed=failed)

"""What is set once of a job, and no driver looks at: written behind its arguments, if anything."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import attrs

from ..values.errors import SerializationError
from ..values.followup import Followup, followup_from_dict, followup_to_dict
from ..values.job import Job
from ..values.rate import Rate
from ..values.retention import Retention
from ..values.times import from_micros, to_micros

NONE_SET: Mapping[str, Any] = MappingProxyType(
    {
        "retention": None,
        "on_failure": None,
        "on_success": None,
        "schedule": None,
        "slot": None,
        "concurrency_key": None,
        "concurrency_limit": None,
        "rate": None,
        "rate_key": None,
        "batch": None,
        "place": None,
        "after": (),
        "after_batch": None,
        "needs_success": True,
    }
)

_set_once = attrgetter(*NONE_SET)
_NOTHING = tuple(NONE_SET.values())

_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "retention": attrs.astuple,
    "on_failure": followup_to_dict,
    "on_success": followup_to_dict,
    "slot": to_micros,
    "rate": attrs.astuple,
    "after": list,
}


def encode(job: Job) -> list[dict[str, Any]]:
    """One object with what is set; or none of it."""
    values = _set_once(job)
    if values == _NOTHING:
        return []
    return [
        {
            name: _WRITERS[name](value) if name in _WRITERS else value
            for name, value, unset in zip(NONE_SET, values, _NOTHING, strict=True)
            if value != unset
        }
    ]


def decode(found: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The fields of a job that ``encode`` wrote; raises what reading a damaged record may."""
    if not found:
        return NONE_SET
    if type(found) is not dict:
        raise SerializationError("has settings that are no object")
    return {
        name: _READERS[name](found[name]) if name in _READERS else found[name]
        for name in found
        if name in NONE_SET
    } | {name: unset for name, unset in NONE_SET.items() if name not in found}


def _followup(parts: Mapping[str, Any]) -> Followup:
    """One that can be enqueued, or the job could never end."""
    after = followup_from_dict(dict(parts))
    Job("checked", on_failure=after)
    return after


def _retention(parts: Any) -> Retention:
    succeeded, deleted, failed = parts
    return Retention(succeeded=succeeded, deleted=deleted, failed=failed)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "retention": _retention,
    "on_failure": _followup,
    "on_success": _followup,
    "slot": from_micros,
    "rate": lambda parts: Rate(*parts),
    "after": tuple,
}

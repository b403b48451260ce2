"""Schedules <-> text: how a recurring job is written down in its record."""

from typing import Any

from ..values import jsontext, records
from ..values.cron import Cron
from ..values.errors import SerializationError
from ..values.job import Job
from ..values.schedule import Every, Schedule

_PLAIN = (
    "name", "catch_up", "overlap", "spread", "declared", "paused", "last_job", "skipped",
)  # fmt: skip
_TIMES = ("next_slot", "last_slot")


def encode(schedule: Schedule) -> str:
    """A schedule as text."""
    fields = {name: getattr(schedule, name) for name in _PLAIN}
    times = {name: records.to_dict(getattr(schedule, name)) for name in _TIMES}
    rule = _encoded(schedule.rule)
    return jsontext.dumps({**fields, **times, "rule": rule, "job": schedule.job.to_json()})


def decode(text: str) -> Schedule:
    """The schedule that ``encode`` wrote; SerializationError when the text is something else."""
    try:
        found = jsontext.loads(text)
        rule = _decoded(**found.pop("rule"))
        times = dict.fromkeys(_TIMES, records.moment)
        job = Job.from_json(found.pop("job"))
        return Schedule(rule=rule, job=job, **records.revived(found, times))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SerializationError(f"not the record of a schedule: {error}") from error


def _encoded(rule: Cron | Every) -> dict[str, Any]:
    if isinstance(rule, Cron):
        return {"cron": rule.text, "timezone": rule.timezone}
    return {"every": rule.seconds, "start": records.to_dict(rule.start)}


def _decoded(
    cron: str | None = None,
    timezone: str = "UTC",
    every: float | None = None,
    start: str | None = None,
) -> Cron | Every:
    if cron is not None:
        return Cron(cron, timezone)
    return Every(every, start and records.moment(start))

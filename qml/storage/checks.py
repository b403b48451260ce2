"""Checks of what callers hand to a storage: names, spans, limits."""

from collections.abc import Iterable
from math import isnan

from ..values import jsontext
from ..values.errors import ConfigurationError, JobNotFound, SerializationError
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.times import span_micros


def worker_name(worker_id: object) -> str:
    """A worker's id: text that is not empty."""
    if not isinstance(worker_id, str) or not worker_id or "\0" in worker_id:
        raise ConfigurationError(
            f"worker_id is {worker_id!r}; give text that is not empty and has no NUL"
        )
    if type(worker_id) is str and worker_id.isascii():
        return worker_id
    return plain("worker_id", worker_id)


def server_name(name: object) -> str:
    """The name of a server: text, which may be empty."""
    if not isinstance(name, str):
        raise ConfigurationError(f"server_name is {name!r}; give text")
    if type(name) is str and name.isascii():
        return name
    return plain("server_name", name)


def plain(name: str, text: str) -> str:
    """A text that every store can be given, as plain text; ``name`` says what it is."""
    return str(jsontext.checked(jsontext.plain(text), name))


def own_name(name: object) -> str | None:
    """What a server is to be called; None or "" = as its host."""
    if name is not None and (not isinstance(name, str) or "\0" in name):
        raise ConfigurationError(f"name is {name!r}; give text, or None for the host's name")
    return None if name is None else plain("name", name)


def queue_names(queues: object) -> tuple[str, ...] | None:
    """None (every queue) or the queues to take from; an empty list is an error."""
    if queues is None:
        return None
    if isinstance(queues, str) or not isinstance(queues, Iterable):
        raise ConfigurationError(f"queues is {queues!r}; give a list of names, or None for all")
    names = tuple(queues)
    if not names or not all(isinstance(n, str) and n and "\0" not in n for n in names):
        raise ConfigurationError(
            f"queues is {queues!r}; give at least one name (text without NUL), or None for every "
            "queue"
        )
    return tuple(jsontext.checked([*map(jsontext.plain, names)], "queues"))


def queue_name(queue: object) -> str:
    """The name of one queue."""
    if not isinstance(queue, str) or not queue or "\0" in queue:
        raise ConfigurationError(f"queue is {queue!r}; give text that is not empty and has no NUL")
    return plain("queue", queue)


def text(name: str, value: object) -> str | None:
    """Text to filter by, or None."""
    if value is not None and (not isinstance(value, str) or "\0" in value):
        raise ConfigurationError(f"{name} is {value!r}; give text, or None for all")
    return None if value is None else plain(name, value)


def sought(name: str, value: object) -> str:
    """What something is looked for by, as ``name`` says: text that every store can be asked for."""
    if not isinstance(value, str) or "\0" in value:
        raise ConfigurationError(f"{name} is {value!r}; give text, which has no NUL in it")
    return value if type(value) is str and value.isascii() else plain(name, value)


def askable(job_id: object) -> str:
    """What to ask a store for a job by: its id, or for a text that can be no job's id the empty
    one, which no job has either."""
    try:
        return sought("job id", job_id)
    except (ConfigurationError, SerializationError):
        if isinstance(job_id, str):
            return ""
        raise


def job_id(value: str) -> str:
    """The id of a job that has to be there; JobNotFound for a text that can be no job's."""
    asked = askable(value)
    if asked != value:
        why = "does not exist: no id holds what is no text"
        raise JobNotFound(f"job {value!a} {why}", job_id=value)
    return asked


def span(name: str, seconds: object, fits: str = "more than 0") -> int:
    """A span of more than 0 seconds, in microseconds. ``fits``: what to give, in words."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e11:
        raise ConfigurationError(f"{name} is {seconds!r}; give seconds, {fits} and less than 1e11")
    return max(1, span_micros(seconds))


DEFAULT_LEASE = 30.0
"""Seconds a claim holds its job unless it says otherwise or is renewed."""


_DEFAULT_LEASE = span_micros(DEFAULT_LEASE)


def lease(seconds: object) -> int:
    """The term of a lease in microseconds; None = 30 seconds."""
    if seconds is None or seconds == DEFAULT_LEASE:
        return _DEFAULT_LEASE
    return span("lease_seconds", seconds)


def delay(name: str, seconds: object) -> int:
    """A span of 0 seconds or more, in microseconds."""
    return 0 if seconds == 0 else span(name, seconds, "0 or more")


def patience(timeout: object) -> float | None:
    """Seconds to wait for, at most; None = without end."""
    if timeout is not None and (
        isinstance(timeout, bool) or not isinstance(timeout, int | float) or isnan(timeout)
    ):
        raise ConfigurationError(f"timeout is {timeout!r}; give seconds, or None for no limit")
    return timeout


EVERY = 2**53
"""More jobs than any store holds. What is asked beyond it means the same, and some stores could
not count so far."""


def number(name: str, value: object, default: int | None = None) -> int | None:
    """A whole number, 0 or more; ``default`` for None."""
    if value is None:
        return default
    if type(value) is not int or value < 0:
        raise ConfigurationError(f"{name} is {value!r}; give a whole number, 0 or more, or None")
    return min(value, EVERY)


def most(limit: object, name: str = "limit") -> int:
    """How many jobs to change at most."""
    return min(within(name, limit, 0, 2**63 - 1), EVERY)


def room(limit: object, ahead: object) -> tuple[int, int]:
    """How many jobs to claim, and how many more of those that may be claimed ahead."""
    if type(limit) is type(ahead) is int and 0 <= limit < EVERY and 0 <= ahead < EVERY:
        return limit, ahead
    return most(limit), most(ahead, "ahead")


def within(name: str, value: object, least: int, most: int) -> int:
    """A whole number from ``least`` to ``most``."""
    if type(value) is not int or not least <= value <= most:
        raise ConfigurationError(
            f"{name} is {value!r}; give a whole number from {least:,} to {most:,}"
        )
    return value


def jobs(given: object) -> list[Job]:
    """Jobs, in a list."""
    if isinstance(given, str | Job) or not isinstance(given, Iterable):
        raise ConfigurationError(f"jobs is {given!r}; give a list of jobs")
    found = list(given)
    for one in found:
        if not isinstance(one, Job):
            job(one)
    return found


def job(value: object) -> Job:
    """A job."""
    if not isinstance(value, Job):
        raise ConfigurationError(f"job is {value!r}; give a Job, as a storage returns it")
    return value


def max_job_bytes(value: object) -> int:
    """The most bytes of JSON that a job, or its result, may have."""
    return within("max_job_bytes", value, 1, 2**63 - 1)


def job_filter(value: object) -> JobFilter:
    """Which jobs."""
    if not isinstance(value, JobFilter):
        raise ConfigurationError(f"where is {value!r}; give a JobFilter, JobFilter() for all")
    return value

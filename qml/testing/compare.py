"""Whether a storage and the oracle say the same, and if not, what differs."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..values import jsontext
from ..values.errors import QmlError
from ..values.job import Failure, Job
from ..values.schedule import Schedule
from ..values.states import AwaitingRetry, Deleted, Failed, Processing, Succeeded
from .table import A_SERVER, EXPIRED, NOT_STARTED, WORKER_LOST


@attrs.frozen
class Raised:
    """An operation ended with this error, about this job."""

    error: type[BaseException]
    job_id: str | None

    def __str__(self) -> str:
        return f"raises {self.error.__name__}" + (
            f" about job {self.job_id}" if self.job_id else ""
        )


def outcome(operation: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """What the operation returned, or the error of qml that it raised as ``Raised``."""
    try:
        return operation(*arguments, **keywords)
    except QmlError as error:
        return Raised(type(error), error.job_id)


def difference(expected: Any, found: Any) -> str | None:
    """What differs between what was promised and what was found; None when nothing does.

    Values must be equal and of the same type. ``seq``, the server's name in a claim, the words
    after "WorkerLost", "expired" and "not started", and those of why a slot has no job are the
    storage's own.
    """
    if isinstance(expected, Job) and isinstance(found, Job):
        return _job_difference(expected, found)
    if isinstance(expected, Schedule) and isinstance(found, Schedule):
        found = _in_few_words(found, like=expected)
    if isinstance(expected, tuple) and isinstance(found, tuple):
        return _list_difference(list(expected), list(found))
    if isinstance(expected, QmlError) and isinstance(found, QmlError):
        expected, found = Raised(type(expected), expected.job_id), Raised(type(found), found.job_id)
    if isinstance(expected, list) and isinstance(found, list):
        return _list_difference(expected, found)
    if type(expected) is type(found) and expected == found:
        return None
    return f"promised: {brief(expected)}; found: {brief(found)}"


def _list_difference(expected: list[Any], found: list[Any]) -> str | None:
    if len(expected) == len(found):
        differences = (difference(*pair) for pair in zip(expected, found, strict=True))
        return next((text for text in differences if text), None)
    return f"promised: {brief(expected)}; found: {brief(found)}"


def _job_difference(expected: Job, found: Job) -> str | None:
    if expected.id != found.id:
        return f"promised: {brief(expected)}; found: {brief(found)}"
    found = _anonymous(found, like=expected)
    if expected == found and _beyond_equality(expected) == _beyond_equality(found):
        return None
    left, right = _fields(expected), _fields(found)
    names = [name for name in left if left[name] != right[name]]
    if not names:
        return None
    return f"job {expected.id}: " + "; ".join(
        f"{name} promised: {left[name]!r}, found: {right[name]!r}" for name in names
    )


def _beyond_equality(job: Job) -> tuple[Any, ...]:
    """What ``==`` leaves out or takes too lightly: 1 == 1.0 == True, and the order of keys."""
    result = job.state.result if isinstance(job.state, Succeeded) else None
    json = (job.arguments, job.kwargs, job.metadata, result)
    return job.max_attempts, *(jsontext.dumps(part) if part else repr(part) for part in json)


def _fields(job: Job) -> Mapping[str, Any]:
    """All that counts about a job; JSON as text, in which 1, 1.0 and True differ."""
    fields = attrs.asdict(job, recurse=False)
    del fields["seq"]
    fields["arguments"] = [_few_words(argument, WORKER_LOST) for argument in job.arguments]
    for name in ("arguments", "kwargs", "metadata"):
        fields[name] = jsontext.dumps(fields[name])
    fields["failures"] = tuple(_failure(failure) for failure in job.failures)
    fields["state"] = _state(job.state)
    result = job.state.result if isinstance(job.state, Succeeded) else None
    fields["result"] = jsontext.dumps(result)
    return fields


def _anonymous(job: Job, like: Job) -> Job:
    """The job without its server's name, where the oracle has none either."""
    mine, its = job.state, like.state
    if isinstance(mine, Processing) and isinstance(its, Processing) and its.server_name == A_SERVER:
        return attrs.evolve(job, state=attrs.evolve(mine, server_name=A_SERVER))
    return job


def _in_few_words(schedule: Schedule, like: Schedule) -> Schedule:
    """The schedule with the oracle's words of why it skipped a slot, where it says those, too."""
    said = like.skipped is not None and like.skipped in (schedule.skipped or "")
    return attrs.evolve(schedule, skipped=like.skipped) if said else schedule


def _few_words(text: Any, words: str) -> Any:
    """The oracle's ``words`` for a text that begins with them."""
    return words if isinstance(text, str) and text.startswith(words) else text


def _state(state: Any) -> Any:
    if isinstance(state, Failed):
        return attrs.evolve(state, exception=_few_words(state.exception, WORKER_LOST))
    if isinstance(state, AwaitingRetry):
        return attrs.evolve(state, last_exception=_few_words(state.last_exception, WORKER_LOST))
    if isinstance(state, Deleted):
        reason = _few_words(_few_words(state.reason, EXPIRED), NOT_STARTED)
        return attrs.evolve(state, reason=reason)
    return state


def _failure(failure: Failure) -> Failure:
    return attrs.evolve(failure, exception=_few_words(failure.exception, WORKER_LOST))


def brief(value: Any) -> str:
    """A value in few words, for messages."""
    if isinstance(value, Job):
        return f"{value.id} ({value.state.kind}, version {value.version}, fence {value.fence})"
    if isinstance(value, list):
        return "[" + ", ".join(brief(item) for item in value) + "]"
    if isinstance(value, Raised | str):
        return str(value)
    if isinstance(value, QmlError):
        return type(value).__name__
    return repr(value)

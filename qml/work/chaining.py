"""What comes after a task: another one, with its result or without."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..values.errors import ConfigurationError
from ..values.followup import Followup
from ..values.job import Job

RESULT = "result"
"""The parameter by which a task asks for the result of the one before it."""

Call = tuple[tuple[Any, ...], Mapping[str, Any]]

SHARED = (
    "method", "queue", "priority", "max_retries", "timeout_seconds", "concurrency_key",
    "concurrency_limit", "rate", "rate_key", "metadata", "on_success",
    "on_failure", "retention",
)  # fmt: skip
"""What a follow-up has of a job."""


def followup(like: Job, made: Sequence[Mapping[str, str]]) -> Followup:
    """What is enqueued as ``like`` this job. ``made``: its keys with one and with another of what
    is not known yet; a ConfigurationError when that makes a difference."""
    for key in ("concurrency_key", "rate_key"):
        if len({keys.get(key) for keys in made}) > 1:
            raise ConfigurationError(
                f"task {like.method}: {key} names an argument that is known only when the job has "
                "ended that it follows on; give it a key without"
            )
    return Followup(**{name: getattr(like, name) for name in SHARED})


def check_failure(name: str, signature: inspect.Signature) -> None:
    """ConfigurationError when a task cannot be called as an ``on_failure`` is."""
    try:
        signature.bind("job_id", "exception")
    except TypeError as error:
        raise ConfigurationError(
            f"on_failure is {name}{signature}: {error}; it is called with the job's id and its "
            "exception, two texts"
        ) from None


def asks_for_result(
    name: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> bool:
    """Whether a task that is called so is to be given the result of the one before it: it has a
    parameter for that, which is not given here. ConfigurationError when the call does not fit."""
    try:
        given = signature.bind_partial(*args, **kwargs).arguments
        asks = RESULT in signature.parameters and RESULT not in given
        signature.bind(*args, **kwargs, **({RESULT: None} if asks else {}))
    except TypeError as error:
        raise ConfigurationError(
            f"{name}{signature}: {error}; give then() the arguments of the task"
        ) from None
    return asks


def called(
    made: Followup, args: Sequence[Any], kwargs: Mapping[str, Any], takes_result: bool
) -> Followup:
    """The follow-up with the arguments of its call."""
    return attrs.evolve(made, arguments=list(args), kwargs=dict(kwargs), takes_result=takes_result)


def appended(chain: Followup | None, last: Followup) -> Followup:
    """The chain with one more at its end."""
    if chain is None:
        return last
    return attrs.evolve(chain, on_success=appended(chain.on_success, last))

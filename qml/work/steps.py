"""Steps of a job: each is done once, and its result kept before the task goes on.

From the field: what DBOS and Temporal call steps and activities, here with one text per job.
"""

from collections.abc import Callable
from functools import partial
from time import sleep
from typing import Any

from ..storage.rules import check_size
from ..values import jsontext
from ..values.errors import (
    CapacityExceeded,
    ConfigurationError,
    JobLost,
    SerializationError,
    StorageUnavailable,
)
from .backoff import Backoff
from .runs import Run, Writer


def take(run: Run, name: str, function: Callable[[], Any]) -> Any:
    """The result of the step ``name``: as it is kept, or else that of ``function``, once it is."""
    _check_name(name)
    if (writer := run.writer) is None:
        raise ConfigurationError(f"step {name!r}: this run has no store that could keep its result")
    notes = run.notes
    with notes.turn_of(name):
        run.check()
        if name not in notes.steps:
            _do(run, name, function, writer.max_bytes)
        if not notes.has_kept(name):
            _write(run, name, writer)
        return jsontext.checked(notes.steps[name], name)  # a copy, which the task may change


def _check_name(name: object) -> None:
    if type(name) is not str or not name:
        raise ConfigurationError(f"the name of a step is {name!r}; give text that is not empty")
    jsontext.checked(name, "the name of a step")


def _do(run: Run, name: str, function: Callable[[], Any], max_bytes: int) -> None:
    _check_apart(run, name)
    result = _called(run, name, function)
    _check_apart(run, name)
    try:
        kept = jsontext.checked(result, f"{_which(run, name)}: its result")
        together = f"{_which(run, name)}: what the job's steps return, together,"
        run.notes.keep(name, kept, partial(check_size, together, max_bytes=max_bytes))
    except SerializationError as error:
        why = "The step has run and had its effect; its result is lost"
        raise SerializationError(f"{error}. {why}", job_id=run.job.id) from error


def _called(run: Run, name: str, function: Callable[[], Any]) -> Any:
    """What the function returns. Within itself a step would be kept twice."""
    doing = run.notes.doing
    if name in doing:
        raise ConfigurationError(
            f"{_which(run, name)} is taken within itself; give each of the two a name of its own"
        )
    doing.add(name)
    try:
        return function()
    finally:
        doing.discard(name)


def _check_apart(run: Run, name: str) -> None:
    """A step is kept at once, and what ``tx`` does is not: rolled back, it would count as done. And
    on SQLite the one would wait for the other."""
    if run.transaction is not None:
        raise ConfigurationError(
            f"{_which(run, name)}: a step cannot be part of the transaction of tx; take steps "
            "before tx is first used"
        )


def _write(run: Run, name: str, writer: Writer) -> None:
    """Have the store keep what is done; while it is away, for as long as a lease may last."""
    until, backoff = run.steady() + writer.lease_seconds, Backoff()
    while True:
        try:
            held = writer.write_now(run)
            break
        except (StorageUnavailable, CapacityExceeded) as error:
            left = until - run.steady()
            if run.lost or left <= 0:
                raise StorageUnavailable(_unkept(run, name, error), job_id=run.job.id) from error
            sleep(min(backoff.next(), left))
    if not held:
        run.lost = True
        raise JobLost(_too_late(run, name), job_id=run.job.id)


def _which(run: Run, name: str) -> str:
    return f"job {run.job.id} ({run.job.method}), step {name!r}"


def _unkept(run: Run, name: str, error: Exception) -> str:
    return (
        f"{_which(run, name)} has run, and the store does not take its result: {error}. Unless it "
        "is kept at the end of this attempt, the next one runs the step again"
    )


def _too_late(run: Run, name: str) -> str:
    return (
        f"{_which(run, name)} has run, but the claim (fence {run.job.fence}) was over by then: the "
        "job was handed back, taken over or removed. Its result was not kept, and another attempt "
        "runs the step again; stop here, what this one returns is not recorded"
    )

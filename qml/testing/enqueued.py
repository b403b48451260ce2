"""Assertions about the jobs that wait in a store."""

from typing import Any

from ..seam.rows import Page
from ..values.errors import ConfigurationError
from ..values.job import Job
from ..values.states import StateKind
from ..work.app import Qml
from ..work.task import Task
from .wanted import ANYTHING, Wanted, due, shown_call, wanted_of

WAITING = (StateKind.ENQUEUED, StateKind.SCHEDULED, StateKind.AWAITING_RETRY)

SHOWN = 20
"""Jobs that a message lists."""


def assert_enqueued(
    jobs: Qml,
    task: Task[..., Any] | str | None = None,
    *,
    args: Any = ANYTHING,
    kwargs: Any = ANYTHING,
    run_after: Any = ANYTHING,
    count: int | None = None,
    **fields: Any,
) -> list[Job]:
    """Some job waits that is as described, or just ``count`` of them; those, oldest first. Else
    an AssertionError lists what waits instead, the most similar first. Changes nothing.

    ``task``: a task or its name, None = any. ``args`` and ``kwargs``: the whole call, compared by
    parameter, so that it does not matter what was passed by name; one that the task does not take
    is InvalidArguments. ``run_after``: seconds from now or a timedelta, an aware datetime, None =
    ready at once. ``fields``: ``queue``, ``priority``, ``unique_key``, ``metadata`` and what else
    of ``Task.using`` a job keeps as it was given. What is not given is not compared. Every value,
    and every value inside of one, may be a matcher: whatever defines ``==``, as
    ``unittest.mock.ANY`` and ``pytest.approx`` do.
    """
    __tracebackhide__ = True
    wanted = wanted_of(jobs, task, (args, kwargs, run_after), fields)
    if count is not None and (type(count) is not int or count < 0):
        raise ConfigurationError(f"count is {count!r}; give a whole number, or None for any")
    waiting, found = _look(jobs, wanted)
    if len(found) == count or (count is None and found):
        return found
    times = "" if count is None else f" {_times(count)} but {_times(len(found))}"
    raise AssertionError(f"not enqueued{times}: {wanted}\n{_told(jobs, wanted, waiting)}")


def assert_not_enqueued(
    jobs: Qml,
    task: Task[..., Any] | str | None = None,
    *,
    args: Any = ANYTHING,
    kwargs: Any = ANYTHING,
    run_after: Any = ANYTHING,
    **fields: Any,
) -> None:
    """No job waits that is as described: see ``assert_enqueued``."""
    __tracebackhide__ = True
    wanted = wanted_of(jobs, task, (args, kwargs, run_after), fields)
    waiting, found = _look(jobs, wanted)
    if found:
        told = _told(jobs, wanted, waiting)
        raise AssertionError(f"enqueued, and should not be: {wanted}\n{told}")


def _look(jobs: Qml, wanted: Wanted) -> tuple[list[Job], list[Job]]:
    """All jobs that wait, and those that are as wanted."""
    now = jobs.storage.now()
    waiting = jobs.storage.list(WAITING)[::-1]
    return waiting, [job for job in waiting if not any(wanted.differences(job, now))]


def _told(jobs: Qml, wanted: Wanted, waiting: list[Job]) -> str:
    now = jobs.storage.now()
    compared = [(list(wanted.differences(job, now)), job) for job in waiting]
    compared.sort(key=lambda pair: (any(name == "task" for name, *_ in pair[0]), len(pair[0])))
    lines = [f"enqueued are {len(waiting)}:" if waiting else "nothing is enqueued"]
    for differences, job in compared[:SHOWN]:
        lines.append(f"  {_shown(job, jobs)}")
        if job.method == wanted.method or wanted.method is None:
            lines += [f"    {name}: {found!r}, not {want!r}" for name, want, found in differences]
    if len(waiting) > SHOWN:
        lines.append(f"  and {len(waiting) - SHOWN} more")
    return "\n".join([*lines, *_others(jobs, wanted)])


def _shown(job: Job, jobs: Qml) -> str:
    moment = due(job)
    seconds = 0.0 if moment is None else (moment - jobs.storage.now()).total_seconds()
    when = "" if seconds <= 0 else f", due in {seconds:g} s"
    failed = f", tried {_times(job.attempt)}" if job.attempt else ""
    call = job.method + shown_call(job.arguments, job.kwargs)
    return f"{call} in queue {job.queue!r}{when}{failed}"


def _others(jobs: Qml, wanted: Wanted) -> list[str]:
    """What became of the jobs that wait no more: a test may look too late."""
    counts = jobs.storage.driver.count(Page(method=wanted.method), "state")
    gone = [f"{n} {kind}" for kind, n in sorted(counts.items()) if kind not in WAITING]
    whose = f"of {wanted.method} " if wanted.method else ""
    return [f"jobs {whose}that wait no more: {', '.join(gone)}"] if gone else []


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"

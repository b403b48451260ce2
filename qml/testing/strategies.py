"""Hypothesis strategies for qml's values, for tests of tasks, storages and tools.

All of them shrink towards the plain: the empty list, "default", an Enqueued job.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import attrs
from hypothesis import strategies as st

from ..values.errors import ConfigurationError
from ..values.followup import Followup
from ..values.job import Job
from ..values.jobfields import UNIQUE_WHILE
from ..values.notes import LogLine, Notes, Progress
from ..values.rate import Rate
from ..values.retention import Retention
from ..values.selection import JobFilter
from ..values.states import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    Scheduled,
    StateKind,
    Succeeded,
)
from ..values.states import kinds as kinds_named

DEEPEST = 150
"""Levels of nesting that ``json_values`` reaches."""


def texts(min_size: int = 0) -> st.SearchStrategy[str]:
    """Any text that UTF-8 can write: empty, NUL, emoji, right to left; never a lone surrogate."""
    odd = [
        "\0",
        "a\0b",
        "é",
        "😀",
        "👩‍👩‍👧",
        "\u202e",
        "\ufeff",
        "'; --",
        "\\",
        '"',
        "\n",
        "0",
        "null",
    ]
    return st.one_of(
        st.text("abc", min_size=min_size, max_size=5),
        st.sampled_from(odd),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=20),
    )


def names() -> st.SearchStrategy[str]:
    """Texts that may name a method, a queue, a worker: not empty, without NUL."""
    return texts(min_size=1).map(lambda text: text.replace("\0", "") or "a")


def whole_numbers() -> st.SearchStrategy[int]:
    """Integers of any size, those around 2**53, 2**63 and 2**64 often, and far beyond."""
    edges = [
        sign * (2**bits + step)
        for bits in (31, 53, 63, 64)
        for sign in (1, -1)
        for step in (-1, 0, 1)
    ]
    return st.one_of(
        st.integers(-100, 100),
        st.sampled_from(edges),
        st.integers(),
        st.integers(100, 4_000).map(lambda digits: 10**digits + 1),
    )


def fractions() -> st.SearchStrategy[float]:
    """Floats that JSON has, -0.0 and the smallest and largest among them."""
    edges = [0.0, -0.0, 1.0, 0.1, 5e-324, 1.7976931348623157e308, 1e16, 2.0**53]
    return st.one_of(st.sampled_from(edges), st.floats(allow_nan=False, allow_infinity=False))


def json_values(max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Every kind of value that qml keeps and gives back equal and of the same type.

    Integers beyond 64 bits, -0.0, NUL, emoji, empty texts and keys, deep nesting, any order of
    keys. Never what is refused: NaN, Infinity, lone surrogates, bytes, objects, tuples.
    """
    leaves = st.one_of(st.none(), st.booleans(), whole_numbers(), fractions(), texts())
    nested = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(texts(), inner, max_size=4)
        ),
        max_leaves=max_leaves,
    )
    return st.one_of(nested, st.builds(_buried, leaves, st.integers(1, DEEPEST), st.booleans()))


def _buried(value: Any, levels: int, in_lists: bool) -> Any:
    for _ in range(levels):
        value = [value] if in_lists else {"": value}
    return value


def queue_names() -> st.SearchStrategy[str]:
    """Names of queues: a few plain ones, so that jobs meet, and odd ones."""
    return st.one_of(st.sampled_from(["default", "mail", "reports"]), names())


def moments(
    start: datetime = datetime(2000, 1, 1, tzinfo=UTC),
    end: datetime = datetime(2100, 1, 1, tzinfo=UTC),
) -> st.SearchStrategy[datetime]:
    """Aware UTC datetimes from ``start`` to ``end``, to the microsecond."""
    naive = st.datetimes(start.replace(tzinfo=None), end.replace(tzinfo=None))
    return naive.map(lambda moment: moment.replace(tzinfo=UTC))


def states(
    kinds: Sequence[StateKind | str] | str | None = None,
    *,
    times: st.SearchStrategy[datetime] | None = None,
) -> st.SearchStrategy[JobState]:
    """States of the given kinds, with data of every sort. ``kinds``: a kind, its text, or
    several; None = all. ``times``: the moments they hold."""
    wanted = kinds_named(kinds)
    times = moments() if times is None else times
    name, text, count = names(), texts(), st.integers(0, 20)
    of: dict[StateKind, st.SearchStrategy[JobState]] = {
        StateKind.ENQUEUED: st.builds(Enqueued, times, queue_names()),
        StateKind.SCHEDULED: st.builds(Scheduled, times, times, st.none() | text),
        StateKind.PROCESSING: st.builds(Processing, times, name, text),
        StateKind.SUCCEEDED: st.builds(
            Succeeded, times, st.floats(0, 1e9) | st.integers(0, 10**9), json_values()
        ),
        StateKind.FAILED: st.builds(Failed, times, text, text, count),
        StateKind.DELETED: st.builds(Deleted, times, st.none() | text),
        StateKind.AWAITING_RETRY: st.builds(AwaitingRetry, times, times, count, text),
    }
    return st.one_of(*(of[kind] for kind in (StateKind if wanted is None else wanted)))


def rarely(wanted: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """None, most of the time."""
    return st.integers(1, 8).flatmap(lambda number: wanted if number == 5 else st.none())


def retentions() -> st.SearchStrategy[Retention]:
    """How long finished jobs are kept, from a millisecond to some years."""
    seconds = st.sampled_from([0.001, 1.0, 86_400.0]) | st.floats(0.001, 1e8)
    return st.builds(Retention, succeeded=seconds, deleted=seconds, failed=seconds)


def rates() -> st.SearchStrategy[Rate]:
    """How often jobs may start."""
    seconds = st.sampled_from([1.0, 60.0, 86_400]) | st.floats(0.001, 1e6)
    return st.builds(Rate, st.integers(1, 1_000), seconds, st.integers(1, 5))


def limits() -> st.SearchStrategy[dict[str, Any]]:
    """The fields of a job that say its limits, under keys that no other has."""
    keys = st.uuids(version=4).map(str)
    permits = st.fixed_dictionaries(
        {"concurrency_key": keys, "concurrency_limit": st.integers(1, 3)}
    )
    paces = st.fixed_dictionaries({"rate": rates(), "rate_key": keys})
    return st.one_of(permits, paces, st.builds(lambda one, other: one | other, permits, paces))


def followups() -> st.SearchStrategy[Followup]:
    """What is to follow on the end of a job, and on that in turn."""
    retries, timeout = st.none() | st.integers(0, 3), st.none() | st.floats(0.001, 1e6)
    last = st.builds(Followup, names(), queue_names(), st.integers(-3, 3), retries, timeout)
    call = {
        "arguments": st.lists(json_values(), max_size=2),
        "kwargs": st.dictionaries(texts(), json_values(), max_size=2),
        "takes_result": st.booleans(),
        "metadata": st.dictionaries(texts(), json_values(), max_size=2),
        "on_success": last,
        "on_failure": st.none() | last,
        "retention": st.none() | st.builds(Retention, failed=st.floats(1, 1e9)),
    }
    chains = st.builds(_followup, names(), limits(), st.fixed_dictionaries(call))
    return st.integers(1, 4).flatmap(lambda number: chains if number == 3 else last)


def _followup(method: str, limits: dict[str, Any], call: dict[str, Any]) -> Followup:
    return Followup(method, **limits, **call)


def notes() -> st.SearchStrategy[Notes]:
    """What a run notes: how far it is, lines of a log, the results of its steps."""
    shares = st.floats(0, 1) | st.integers(0, 1) | fractions()
    progress = st.builds(Progress, moments(), shares, texts())
    lines = st.builds(LogLine, moments(), st.integers(1, 20), texts())
    log = st.lists(lines, max_size=3).map(tuple)
    steps = rarely(st.dictionaries(texts(), json_values(), max_size=2)).map(lambda it: it or {})
    return st.builds(Notes, st.none() | progress, log, steps)


def job_filters() -> st.SearchStrategy[JobFilter]:
    """Which jobs, for bulk operations."""
    some = st.lists(st.sampled_from(list(StateKind)), max_size=3)
    return st.builds(
        JobFilter,
        states=st.none() | some,
        queue=st.none() | queue_names(),
        method=st.none() | names(),
        batch=st.none() | names(),
        older_than=st.none() | st.sampled_from([0.0, 0.000001, 45.0]) | st.floats(0, 1e9),
        metadata=st.dictionaries(texts(), json_values(), max_size=1),
    )


LIMITS = frozenset({"concurrency_key", "concurrency_limit", "rate", "rate_key"})

FAR = datetime(2100, 1, 1, tzinfo=UTC)


def jobs(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Job]:
    """Jobs as a caller makes them, each with an id of its own: fresh ones, enqueued or scheduled.

    ``fields`` replaces the strategy of a field: ``jobs(queue=st.just("mail"), state=states())``.
    Unless replaced there is no unique key (two jobs with one key cannot both be stored), none
    expires before the year 2100, comes after another, or shares its limits with others.
    """
    _check(fields)
    known: dict[str, st.SearchStrategy[Any]] = {
        "method": names(),
        "arguments": st.lists(json_values(), max_size=3),
        "kwargs": st.dictionaries(texts(), json_values(), max_size=3),
        "queue": queue_names(),
        "priority": st.integers(-3, 3) | st.integers(-(2**31) + 1, 2**31 - 1),
        "max_retries": st.none() | st.integers(0, 3) | st.integers(0, 1_000_000),
        "timeout_seconds": st.none() | st.floats(0.001, 1e6),
        "job_type": st.none() | names(),
        "metadata": st.dictionaries(texts(), json_values(), max_size=3),
        "unique_while": st.sampled_from(UNIQUE_WHILE),
        "expires_at": rarely(moments(FAR, FAR.replace(year=2200))),
        "retention": rarely(retentions()),
        "on_failure": rarely(followups()),
        "on_success": rarely(followups()),
        "batch": rarely(names()),
        "place": rarely(st.integers(0, 2**53)),
        "schedule": rarely(names()),
        "slot": rarely(moments()),
        "id": st.uuids(version=4).map(str),
        "created_at": moments(),
        "state": states([StateKind.ENQUEUED, StateKind.SCHEDULED]),
    }
    return _made({**known, **fields}, rarely(limits()) if LIMITS.isdisjoint(fields) else st.none())


def _made(fields: dict[str, Any], limits: st.SearchStrategy[Any]) -> st.SearchStrategy[Job]:
    return st.builds(_job, st.fixed_dictionaries(fields), limits)


def _check(fields: dict[str, Any]) -> None:
    for name, given in fields.items():
        if name not in attrs.fields_dict(Job):
            raise ConfigurationError(f"jobs({name}=...): a job has no {name}")
        if not isinstance(given, st.SearchStrategy):
            raise ConfigurationError(
                f"jobs({name}={given!r}): give a strategy, such as st.just({given!r})"
            )


def _job(given: dict[str, Any], limits: dict[str, Any] | None) -> Job:
    return Job(**given, **(limits or {}))

"""How a task's jobs are enqueued: the options of ``@task`` and ``using``, checked when given."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs

from ..storage import conflicts
from ..values.errors import ConfigurationError
from ..values.followup import Followup
from ..values.job import Job
from ..values.rate import Rate, rate_or_none
from ..values.retention import Retention, retention_or_none
from ..values.retry import RetryPolicy, policy_or_none
from ..values.states import Scheduled
from ..values.times import aware_utc
from . import failing, keys, waiting
from .failing import Fate, Kinds, RetryOn
from .keys import UniqueBy
from .waiting import After

NOTHING: Mapping[str, str] = {}


def _chain(options: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and not isinstance(value, Followup):
        raise ConfigurationError(f"on_success is {value!r}; say what comes after with task.then")


def _rate(value: Any) -> Rate | None:
    return rate_or_none("rate", value)


def _retention(value: Any) -> Retention | None:
    return retention_or_none("retention", value)


def followup(given: Any) -> Followup | None:
    """What ``on_failure`` stands for: a task, the name of one, or a Followup."""
    if given is None or isinstance(given, Followup):
        return given
    if isinstance(given, str):
        return Followup(given)
    try:
        made = given.followup()
    except AttributeError:
        made = None
    if not isinstance(made, Followup):
        raise ConfigurationError(f"on_failure is {given!r}; give a task, or the name of one")
    return made


@attrs.frozen(kw_only=True)
class Options:
    """What ``using`` may change."""

    queue: str = "default"
    priority: int = 0
    max_retries: int | None = None
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    process: bool = False
    job_type: str | None = None
    retry_on: RetryOn | None = attrs.field(default=None, converter=failing.retry_on)
    give_up_on: Kinds = attrs.field(default=(), converter=failing.give_up_on)
    on_failure: Followup | None = attrs.field(default=None, converter=followup)
    expires_after: float | timedelta | None = None
    retention: Retention | None = attrs.field(default=None, converter=_retention)
    metadata: dict[str, Any] = attrs.field(factory=dict)
    unique_key: str | None = None
    unique_while: str = "unfinished"
    unique_by: UniqueBy | None = attrs.field(default=None, converter=keys.unique_by)
    on_conflict: str = attrs.field(default="raise", converter=conflicts.policy)
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    rate: Rate | None = attrs.field(default=None, converter=_rate)
    rate_key: str | None = None
    run_after: After = None
    if_failed: str = attrs.field(default="cancel", converter=waiting.if_failed)
    on_success: Followup | None = attrs.field(default=None, validator=_chain)
    batch: str | None = attrs.field(default=None, converter=waiting.batch_name)
    id: str | None = None

    def __attrs_post_init__(self) -> None:
        policy_or_none("retry", self.retry)
        if self.unique_by is not None and self.unique_key is not None:
            raise ConfigurationError(
                f"unique_key is {self.unique_key!r}, and unique_by makes one; give one of the two "
                "and None for the other"
            )
        if not waiting.awaited(self.run_after):
            start(self.run_after, datetime.now().astimezone())
        self.job("checked", [], {}, datetime.now().astimezone())

    @property
    def templates(self) -> Mapping[str, str | None]:
        """The texts from which keys are made for each call, by field of the job."""
        return {"concurrency_key": self.concurrency_key, "rate_key": self.rate_key}

    def changed(self, changes: dict[str, Any]) -> "Options":
        """These options with ``changes``; a ConfigurationError names an unknown or wrong one."""
        known = {field.name for field in attrs.fields(Options)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ConfigurationError(
                f"unknown option {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            )
        return attrs.evolve(self, **changes)

    def job(
        self,
        method: str,
        arguments: list[Any],
        kwargs: dict[str, Any],
        now: datetime,
        policy: RetryPolicy | None = None,
        made: Mapping[str, str] = NOTHING,
    ) -> Job:
        """A job of ``method`` with these options. The task's own retry policy, or else ``policy``,
        says how many retries it has, unless ``max_retries`` does; None = the storage's does.
        ``made``: the keys made from the arguments."""
        retries, policy = self.max_retries, self.retry or policy
        if retries is None and policy is not None:
            retries = policy.max_retries
        return Job(
            method,
            arguments,
            kwargs,
            queue=self.queue,
            priority=self.priority,
            max_retries=retries,
            timeout_seconds=self.timeout_seconds,
            job_type=self.job_type,
            on_failure=self.on_failure,
            on_success=self.on_success,
            batch=self.batch,
            needs_success=self.if_failed == "cancel",
            retention=self.retention,
            metadata=self.metadata,
            unique_while=self.unique_while,
            id=self.id,
            created_at=now,
            **self._keys(method, made),
            **self._times(now),
        )

    def _keys(self, method: str, made: Mapping[str, str]) -> dict[str, Any]:
        """Its keys and limits; a limit or a rate that has no key is the task's own."""
        own = {
            "concurrency_key": None if self.concurrency_limit is None else method,
            "rate_key": None if self.rate is None else method,
        }
        given = {name: text for name, text in self.templates.items() if text is not None}
        limits = {"concurrency_limit": self.concurrency_limit, "rate": self.rate}
        return {"unique_key": self.unique_key, **limits, **own, **given, **made}

    def _times(self, now: datetime) -> dict[str, Any]:
        awaited = waiting.awaited(self.run_after)
        if awaited:
            return awaited | self._expiry(now)
        moment = start(self.run_after, now)
        given: dict[str, Any] = {} if moment is None else {"state": Scheduled(now, moment)}
        return given | self._expiry(moment or now)

    def _expiry(self, start: datetime) -> dict[str, Any]:
        span = self.expires_after
        return {} if span is None else {"expires_at": start + _span(span)}

    def fate(self, error: BaseException, attempt: int) -> Fate:
        """What ``error`` in this attempt means for the job."""
        if isinstance(error, self.give_up_on):
            return Fate(final=True)
        return Fate() if self.retry_on is None else self.retry_on.fate(error, attempt)


def _span(expires_after: float | timedelta) -> timedelta:
    span = expires_after
    if isinstance(span, bool) or not isinstance(span, int | float | timedelta):
        span = -1
    elif not isinstance(span, timedelta):
        span = timedelta(seconds=span) if 0 < span < 1e9 else -1
    if not isinstance(span, timedelta) or not timedelta(0) < span:
        raise ConfigurationError(
            f"expires_after is {expires_after!r}; give seconds, more than 0, or a timedelta"
        )
    return span


def start(run_after: After, now: datetime) -> datetime | None:
    """When a job may start: None = at once. Seconds and timedeltas count from ``now``."""
    if run_after is None:
        return None
    if isinstance(run_after, datetime):
        return aware_utc("run_after", run_after)
    if isinstance(run_after, timedelta):
        return now + run_after
    if isinstance(run_after, bool) or not isinstance(run_after, int | float) or not run_after >= 0:
        raise ConfigurationError(
            f"run_after is {run_after!r}; give seconds, 0 or more, a timedelta, an aware datetime, "
            "or the jobs to wait for"
        )
    return now + timedelta(seconds=run_after)

"""How a task's jobs are enqueued: the options of ``@task`` and ``using``, checked when given."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from ..storage import conflicts
from ..values.alike import Call, others
from ..values.errors import ConfigurationError
from ..values.followup import Followup
from ..values.job import Job
from ..values.rate import Rate, rate_or_none
from ..values.retention import Retention, retention_or_none
from ..values.retry import RetryPolicy, policy_or_none
from ..values.states import Scheduled
from ..values.times import aware_utc, from_micros
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
        self.like("checked")
        self._times(datetime.now().astimezone())

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

    def like(self, method: str) -> Job:
        """What all jobs of ``method`` with these options have in common, checked. Texts from which
        keys are made stand in it as they are; no ``max_retries`` = a policy of others decides."""
        own_policy = None if self.retry is None else self.retry.max_retries
        return Job(
            method,
            queue=self.queue,
            priority=self.priority,
            max_retries=own_policy if self.max_retries is None else self.max_retries,
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
            **self._keys(method),
            **waiting.awaited(self.run_after),
        )

    def _keys(self, method: str) -> dict[str, Any]:
        """Its keys and limits; a limit or a rate that has no key is the task's own."""
        own = {
            "concurrency_key": None if self.concurrency_limit is None else method,
            "rate_key": None if self.rate is None else method,
        }
        given = {name: text for name, text in self.templates.items() if text is not None}
        limits = {"concurrency_limit": self.concurrency_limit, "rate": self.rate}
        return {"unique_key": self.unique_key, **limits, **own, **given}

    def jobs(
        self, like: Job, calls: Sequence[Call], micros: int, policy: RetryPolicy | None
    ) -> list[Job]:
        """Jobs with these options, from what was made by ``like``, for calls with the keys made
        from their arguments, made at ``micros`` (since 1970 UTC). ``policy`` says how many retries
        they have, unless the options do; None = the storage's does."""
        now = from_micros(micros)
        changes = self._times(now)
        if self.id is not None:
            changes["id"] = self.id
        if policy is not None and like.max_retries is None:
            changes["max_retries"] = policy.max_retries
        return others(like, calls, now, changes)

    @property
    def are_alike(self) -> bool:
        """Whether jobs with these options are all like the one made by ``like``, whenever they are
        made."""
        return self.run_after is None and self.expires_after is None and self.id is None

    def _times(self, now: datetime) -> dict[str, Any]:
        """What of a job depends on when it is made."""
        moment = None if waiting.awaited(self.run_after) else start(self.run_after, now)
        found: dict[str, Any] = {} if moment is None else {"state": Scheduled(now, moment)}
        if self.expires_after is not None:
            begin, span = moment or now, _span(self.expires_after)
            found["expires_at"] = _after("expires_after", begin, span)
        return found

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
        return _after("run_after", now, run_after)
    if isinstance(run_after, bool) or not isinstance(run_after, int | float) or not run_after >= 0:
        raise ConfigurationError(
            f"run_after is {run_after!r}; give seconds, 0 or more, a timedelta, an aware datetime, "
            "or the jobs to wait for (ids in a list)"
        )
    return _after("run_after", now, run_after)


def _after(name: str, moment: datetime, span: float | timedelta) -> datetime:
    try:
        return moment + (span if isinstance(span, timedelta) else timedelta(seconds=span))
    except OverflowError:
        raise ConfigurationError(
            f"{name} is {span!r}, which is beyond the end of the calendar"
        ) from None

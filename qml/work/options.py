"""How a task's jobs are enqueued: the options of ``@task`` and ``using``, checked when given."""

from datetime import datetime, timedelta
from typing import Any

import attrs

from ..values.errors import ConfigurationError
from ..values.job import Job
from ..values.retry import RetryPolicy, policy_or_none
from ..values.states import Scheduled
from ..values.times import aware_utc


@attrs.frozen(kw_only=True)
class Options:
    """What ``using`` may change."""

    queue: str = "default"
    priority: int = 0
    max_retries: int | None = None
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    job_type: str | None = None
    metadata: dict[str, Any] = attrs.field(factory=dict)
    unique_key: str | None = None
    unique_while: str = "unfinished"
    run_after: float | timedelta | datetime | None = None
    id: str | None = None

    def __attrs_post_init__(self) -> None:
        policy_or_none("retry", self.retry)
        start(self.run_after, datetime.now().astimezone())
        self.job("checked", [], {}, datetime.now().astimezone())

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
    ) -> Job:
        """A job of ``method`` with these options. The task's own retry policy, or else ``policy``,
        says how many retries it has, unless ``max_retries`` does; None = the storage's does."""
        retries, policy = self.max_retries, self.retry or policy
        if retries is None and policy is not None:
            retries = policy.max_retries
        moment = start(self.run_after, now)
        given: dict[str, Any] = {}
        if moment is not None:
            given["state"] = Scheduled(now, moment)
        return Job(
            method,
            arguments,
            kwargs,
            queue=self.queue,
            priority=self.priority,
            max_retries=retries,
            timeout_seconds=self.timeout_seconds,
            job_type=self.job_type,
            metadata=self.metadata,
            unique_key=self.unique_key,
            unique_while=self.unique_while,
            id=self.id,
            created_at=now,
            **given,
        )


def start(run_after: float | timedelta | datetime | None, now: datetime) -> datetime | None:
    """When a job may start: None = at once. Seconds and timedeltas count from ``now``."""
    if run_after is None:
        return None
    if isinstance(run_after, datetime):
        return aware_utc("run_after", run_after)
    if isinstance(run_after, timedelta):
        return now + run_after
    if isinstance(run_after, bool) or not isinstance(run_after, int | float) or not run_after >= 0:
        raise ConfigurationError(
            f"run_after is {run_after!r}; give seconds, 0 or more, a timedelta or an aware datetime"
        )
    return now + timedelta(seconds=run_after)

"""How often a failed job is tried again, and after how long."""

import random
from typing import Any

import attrs

from .errors import ConfigurationError
from .times import span_micros

MOST_RETRIES = 1_000_000

LONGEST = 10**9
"""Seconds, some 31 years: no retry waits longer."""


def _at_least(low: float) -> Any:
    def check(policy: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= low:
            raise ConfigurationError(f"RetryPolicy {field.name} is {value!r}; give {low} or more")

    return check


def policy_or_none(name: str, retry: object) -> "RetryPolicy | None":
    """``retry`` if it is a policy or None; a ConfigurationError calls it ``name``."""
    if retry is None or isinstance(retry, RetryPolicy):
        return retry
    raise ConfigurationError(f"{name} is {retry!r}; give a RetryPolicy")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """Retries with exponential backoff.

    ``max_retries``: retries after the first attempt; 0 = never again.
    ``base``: seconds before the first retry; ``factor``: what each further delay is multiplied by;
    ``cap``: the longest delay in seconds; ``jitter``: share of the delay added at random, 0 to 1,
    so that jobs which failed together do not come back together.
    """

    max_retries: int = attrs.field(default=5, validator=[_at_least(0)])
    base: float = attrs.field(default=1.0, validator=[_at_least(0)])
    factor: float = attrs.field(default=4.0, validator=[_at_least(1)])
    cap: float = attrs.field(default=3600.0, validator=[_at_least(0)])
    jitter: float = attrs.field(default=0.0, validator=[_at_least(0)])

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.max_retries, int):
            raise ConfigurationError(
                f"RetryPolicy max_retries is {self.max_retries!r}; give a whole number"
            )
        if self.max_retries > MOST_RETRIES:
            raise ConfigurationError(
                f"RetryPolicy max_retries is {self.max_retries}; give {MOST_RETRIES:,} or less"
            )
        if self.jitter > 1:
            raise ConfigurationError(f"RetryPolicy jitter is {self.jitter!r}; give 0 to 1")
        if self.cap > LONGEST:
            raise ConfigurationError(f"RetryPolicy cap is {self.cap!r}; give {LONGEST:,} or less")

    def delay(self, retry_number: int) -> float:
        """Seconds before retry ``retry_number`` (1 = the first): ``base`` for the first, never more
        than ``cap`` (jitter on top), finite for any number."""
        try:
            plain = min(self.cap, self.base * float(self.factor) ** max(0, retry_number - 1))
        except OverflowError:
            plain = self.cap if self.base else 0.0
        return plain * (1 + self.jitter * random.random()) if self.jitter else plain

    def delay_micros(self, retry_number: int) -> int:
        """``delay`` in whole microseconds."""
        return span_micros(self.delay(retry_number))

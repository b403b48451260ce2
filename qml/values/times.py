"""Moments and spans: aware UTC datetimes for people, whole microseconds since 1970 for stores.

Whole microseconds, because a datetime has them exactly: no fraction of a second is lost or rounded
between a caller, a store and a worker, and two stores always agree on which moment is earlier.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from .errors import ConfigurationError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
"""The first and the last moment of the calendar, in microseconds since 1970."""


def to_micros(moment: datetime) -> int:
    """Whole microseconds from 1970-01-01 UTC to ``moment``, exactly."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime ``micros`` microseconds after 1970-01-01."""
    return EPOCH + timedelta(0, 0, micros)


shared_moment = lru_cache(maxsize=64)(from_micros)
"""``from_micros`` of a moment that many ask for at a time, such as that of a batch."""


def span_micros(seconds: float) -> int:
    """A span of ``seconds`` in whole microseconds, rounded to the nearest."""
    return round(seconds * 1_000_000)


def aware_utc(name: str, moment: object) -> datetime:
    """``moment`` in UTC; a naive datetime, or none at all, is a ConfigurationError naming it."""
    if not isinstance(moment, datetime):
        raise ConfigurationError(
            f"{name} is {moment!r}; give an aware datetime, such as datetime.now(timezone.utc)"
        )
    if moment.utcoffset() is None:
        raise ConfigurationError(
            f"{name} is {moment!r}, a naive datetime: its time zone is anybody's guess. Give an "
            "aware one, such as datetime.now(timezone.utc)"
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ConfigurationError(f"{name} is {moment!r}, which UTC has no date for") from None


def utc_now() -> datetime:
    """The machine's present time, for values made by hand. Stores use their own clock."""
    return datetime.now(UTC)

"""What servers did, minute by minute: small records, one for each hour of each server.

Each has one writer, its server, which writes it anew while the hour lasts. Whoever does the upkeep
removes the old ones, also of servers that are gone.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from ..seam.driver import Driver
from ..seam.rows import Verdict
from ..values import jsontext
from ..values.activity import Minute
from ..values.errors import SerializationError
from ..values.times import from_micros

PREFIX = "activity/"

KEPT = timedelta(hours=25)
"""How long a record is kept: a day back from any moment, and the hour that has begun."""

MOST = 1_440
"""Minutes back that are told."""

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)


def minute_of(micros: int) -> datetime:
    """The minute in which a moment lies."""
    return from_micros(micros).replace(second=0, microsecond=0)


def write(
    driver: Driver, server: str, hour: datetime, minutes: Iterable[Minute], version: int
) -> int | None:
    """Write a server's record of an hour anew, whose version was ``version`` (0 = there is none);
    the version it has now. None: it is not the one that was expected, see ``version_of``."""
    told = {
        str(one.at.minute): [one.succeeded, one.failed, one.retrying, round(one.seconds, 3)]
        for one in minutes
    }
    verdict = driver.write(_name(server, hour), jsontext.dumps(told), version)
    return version + 1 if verdict is Verdict.DONE else None


def version_of(driver: Driver, server: str, hour: datetime) -> int:
    """The version of a server's record of an hour; 0 = there is none."""
    known = driver.read(_name(server, hour))
    return known.version if known else 0


def told(driver: Driver, now: int, minutes: int) -> list[Minute]:
    """The last ``minutes``, the oldest first, each with what all servers did in it."""
    last = minute_of(now)
    first = last - (minutes - 1) * _MINUTE
    found = {
        first + number * _MINUTE: Minute(first + number * _MINUTE) for number in range(minutes)
    }
    hour = first.replace(minute=0)
    while hour <= last:
        for record in driver.list(_name("", hour)):
            for one in _minutes(hour, record.body):
                if one.at in found:
                    found[one.at] += one
        hour += _HOUR
    return list(found.values())


def remove_old(driver: Driver, now: int) -> None:
    """Remove the records that are older than a day."""
    oldest = _name("", from_micros(now) - KEPT)
    for record in driver.list(PREFIX):
        if record.name < oldest:
            driver.write(record.name, None, record.version)  # STALE: another was faster


def _name(server: str, hour: datetime) -> str:
    return f"{PREFIX}{hour:%Y-%m-%dT%H}/{server}"


def _minutes(hour: datetime, body: str) -> Iterator[Minute]:
    try:
        told = jsontext.loads(body)
        found = [_minute(hour, int(number), figures) for number, figures in told.items()]
    except (SerializationError, TypeError, ValueError, AttributeError, OverflowError):
        return iter(())  # damaged: figures are no reason to fail
    return iter(found)


def _minute(hour: datetime, number: int, figures: Iterable[float]) -> Minute:
    succeeded, failed, retrying, seconds = figures
    at = hour.replace(minute=number)
    return Minute(at, int(succeeded), int(failed), int(retrying), float(seconds))

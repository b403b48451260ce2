"""The five fields of a cron rule: what may stand in them, and which clock readings they fit.

Lists, ranges, steps, names and the bond between the two day fields are those of Vixie's cron,
https://man7.org/linux/man-pages/man5/crontab.5.html.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta

import attrs

from .errors import ConfigurationError

SHORTCUTS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

# First, last and step. Nine digits: more are out of range, and Python refuses to read very many.
ITEM = re.compile(
    r"(?: \* | ([0-9]{1,9}|[a-z]+) (?: - ([0-9]{1,9}|[a-z]+) )? ) (?: / ([0-9]{1,9}) )?",
    re.VERBOSE,
)

DAY = timedelta(days=1)


@attrs.frozen
class Field:
    """One of the five: its values are ``low`` to ``high``, and ``names`` stand for them in turn."""

    name: str
    low: int
    high: int
    names: str = ""

    def read(self, text: str) -> tuple[int, ...]:
        """The values of a comma-separated list. A ValueError names field, item and remedy."""
        return _sorted(value for item in text.split(",") for value in self._values(item))

    def _values(self, item: str) -> range:
        match = ITEM.fullmatch(item.lower())
        if match is None:
            raise self._wrong(item, self._choices())
        first, last, step = match.groups()
        low, high = self.low, self.high
        if first is not None:
            low = high = self._value(item, first, 0)
        if last not in (None, first):
            high = self._value(item, last, -1)
        if low > high:
            both = f"{low}-{self.high},{self.low}-{high}"
            raise self._wrong(item, f"a range does not go round its end; write {both}")
        if step and first and not last:
            raise self._wrong(item, f"a step needs a range; write {first}-{self.high}/{step}")
        if step and not int(step):
            raise self._wrong(item, "a step of 0 leads nowhere; give 1 or more")
        return range(low, high + 1, int(step or 1))

    def _value(self, item: str, word: str, which: int) -> int:
        """``which``: 0 as the first of a range, -1 as its last, where Sunday is 7."""
        named = [value for value, name in enumerate(self.names.split(), self.low) if name == word]
        if not named and not word.isdecimal():
            raise self._wrong(item, self._choices())
        value = named[which] if named else int(word)
        if not self.low <= value <= self.high:
            raise self._wrong(item, self._values_there_are())
        return value

    def _values_there_are(self) -> str:
        names = self.names.split()
        named = f" or {names[0]} to {names[self.high - 1]}" if names else ""
        return f"give {self.low} to {self.high}{named}"

    def _choices(self) -> str:
        return (
            f"{self._values_there_are()}, a list (1,2), a range (1-5), a step (*/2, 1-5/2) or *; "
            "there is no ?, L, W or #"
        )

    def _wrong(self, item: str, remedy: str) -> ValueError:
        return ValueError(f"{self.name} is {item!r}; {remedy}")


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY_OF_MONTH = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec")
DAY_OF_WEEK = Field("day of week", 0, 7, "sun mon tue wed thu fri sat sun")

LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""The days of each month in a leap year."""


@attrs.frozen
class Pattern:
    """What the clock on the wall and the calendar beside it must read.

    ``either``: one of the two day fields is enough, as both are restricted; a field that begins
    with ``*``, so ``*/2`` too, counts as not restricted, and then both must fit.
    ``fixed``: neither minute nor hour has a ``*`` or a step.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    """0 to 6, from Sunday on."""
    either: bool
    fixed: bool

    @classmethod
    def read(cls, text: str) -> "Pattern":
        """The pattern of five fields or a shortcut. ConfigurationError if there is none."""
        fields = _fields(text)
        minute, hour, day, month, weekday = fields
        try:
            pattern = cls(
                minutes=MINUTE.read(minute),
                hours=HOUR.read(hour),
                days=DAY_OF_MONTH.read(day),
                months=MONTH.read(month),
                weekdays=_sorted(value % 7 for value in DAY_OF_WEEK.read(weekday)),
                either=not (day.startswith("*") or weekday.startswith("*")),
                fixed=not set("*/").intersection(minute + hour),
            )
        except ValueError as error:
            raise ConfigurationError(f"Cron {text!r}: {error}") from None
        if not pattern.possible():
            raise ConfigurationError(
                f"Cron {text!r}: day of month is {day!r}, and month {month!r} never has such a "
                "day, so it would never run; give another day or month"
            )
        return pattern

    def possible(self) -> bool:
        """Whether any date fits. In 400 years each day of the year has been each weekday."""
        return self.either or any(min(self.days) <= LONGEST[month - 1] for month in self.months)

    def fits(self, reading: datetime) -> bool:
        """Whether the wall reads a time of this rule, to the minute."""
        return reading.minute in self.minutes and reading.hour in self.hours and self._has(reading)

    def _has(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month = day.day in self.days
        in_week = day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either else in_month and in_week

    def readings(self, start: datetime) -> Iterator[datetime]:
        """Every naive reading from ``start`` on, in order. OverflowError where the calendar ends,
        which is never far: dates that fit are 40 years apart at most."""
        day = start.date()
        hours = self.hours[bisect_left(self.hours, start.hour) :]
        while True:
            if self._has(day):
                times = (time(hour, minute) for hour in hours for minute in self.minutes)
                readings = (datetime.combine(day, moment) for moment in times)
                yield from (reading for reading in readings if reading >= start)
            day = _next_month(day) if day.month not in self.months else day + DAY
            hours = self.hours


def _sorted(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(values)))


def _next_month(day: date) -> date:
    return (day.replace(day=1) + 31 * DAY).replace(day=1)


def _fields(text: str) -> list[str]:
    if text.startswith("@"):
        if text.lower() not in SHORTCUTS:
            raise ConfigurationError(
                f"Cron {text!r} is no shortcut; give one of {', '.join(SHORTCUTS)}, or five fields"
            )
        text = SHORTCUTS[text.lower()]
    fields = text.split()
    if len(fields) != 5:
        raise ConfigurationError(
            f"Cron {text!r} has {len(fields)} field{'s' * (len(fields) != 1)}; give five: minute, "
            "hour, day of month, month, day of week, as in '30 9 * * mon-fri' (there are no "
            "seconds and no years)"
        )
    return fields

"""A slow oracle of cron rules: it reads a clock at every minute of UTC, one after the other.

It says the contract's sentences once more and shares nothing with qml: no sets of values, no
reckoning with offsets, no hop.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
MARGIN = timedelta(days=2)
"""A clock was never set by more than a day, so what matters to a moment is nearer than this."""

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
DAYS = "sun mon tue wed thu fri sat"


def item_fits(item, lowest, values):
    span, _, step = item.partition("/")
    first, _, last = (str(lowest) + "-99" if span == "*" else span).partition("-")
    return any(
        int(first) <= value <= int(last or first) and (value - int(first)) % int(step or 1) == 0
        for value in values
    )


def field_fits(field, lowest, *values):
    return any(item_fits(item, lowest, values) for item in field.split(","))


def numbered(text):
    text = text.lower().replace("-sun", "-7")
    for names, first in ((MONTHS, 1), (DAYS, 0)):
        for number, name in enumerate(names.split(), first):
            text = text.replace(name, str(number))
    return text.split()


def time_fits(text, hour, minute):
    fields = numbered(text)
    return field_fits(fields[0], 0, minute) and field_fits(fields[1], 0, hour)


def date_fits(text, date):
    _, _, day, month, weekday = numbered(text)
    number = int(date.strftime("%w"))
    in_month = field_fits(day, 1, date.day)
    in_week = field_fits(weekday, 0, number, *([7] if number == 0 else []))
    if day[0] != "*" and weekday[0] != "*":
        in_month = in_week = in_month or in_week
    return in_month and in_week and field_fits(month, 1, date.month)


@lru_cache(maxsize=2)
def times(text):
    return {(h, m) for h in range(24) for m in range(60) if time_fits(text, h, m)}


@lru_cache(maxsize=2)  # some 2 MB for each ten days
def walk(zone, begin, end):
    """Every whole minute of UTC from ``begin`` to ``end``, and what the clock then reads."""
    there = ZoneInfo(zone)
    minutes = (begin + count * MINUTE for count in range((end - begin) // MINUTE + 1))
    return [(minute, minute.astimezone(there).replace(tzinfo=None, second=0)) for minute in minutes]


def runs(text, zone, begin, end):
    """The moments from ``begin`` to ``end``, both whole minutes of UTC, at which the rule runs."""
    read = walk(zone, begin - MARGIN, end + MARGIN)
    dates = {date for date in {reading.date() for _, reading in read} if date_fits(text, date)}
    follows_real_time = any(mark in field for field in text.split()[:2] for mark in "*/")
    found = (real_runs if follows_real_time else fixed_runs)(read, dates, times(text))
    return sorted(moment for moment in found if begin <= moment <= end)


def real_runs(read, dates, times):
    return {
        moment
        for moment, reading in read
        if reading.date() in dates and (reading.hour, reading.minute) in times
    }


def fixed_runs(read, dates, times):
    first = {}
    for moment, reading in read:
        first.setdefault(reading, moment)
    gaps = [
        (before, after, moment)
        for (_, before), (moment, after) in pairwise(read)
        if after - before > MINUTE
    ]
    found = set()
    for date in dates:
        for hour, minute in times:
            wanted = datetime(date.year, date.month, date.day, hour, minute)
            if wanted in first:
                found.add(first[wanted])
            else:
                found.update(moment for before, after, moment in gaps if before < wanted < after)
    return found


def changes(zone, year):
    """The whole hours of a year in which the zone's clock was set, each at its end, UTC."""
    there = ZoneInfo(zone)
    start = datetime(year, 1, 1, tzinfo=UTC)
    offsets = [(day, offset(there, start, 24 * day)) for day in range(367)]
    found = []
    for (day, one), (_, other) in pairwise(offsets):
        if one != other:
            hours = range(24 * day, 24 * day + 25)
            set_at = next(hour for hour in hours if offset(there, start, hour) == other)
            found.append(start + timedelta(hours=set_at))
    return found


def offset(zone, start, hours):
    return (start + timedelta(hours=hours)).astimezone(zone).utcoffset()

"""Cron against the oracle: the same runs near every odd hour of the world's clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qml.values.cron import Cron
from qml.values.errors import ConfigurationError
from tests.values import cron_oracle as oracle

# Zone, a moment of UTC close to the change, and what is odd about it.
ODD = [
    ("Europe/Berlin", "2019-03-31T01:00", "an hour is left out"),
    ("Europe/Berlin", "2019-10-27T01:00", "an hour comes twice"),
    ("Europe/Dublin", "2019-10-27T01:00", "winter is the exception, an hour less"),
    ("America/New_York", "2019-11-03T06:00", "an hour comes twice"),
    ("Australia/Lord_Howe", "2019-04-06T15:00", "half an hour comes twice"),
    ("Australia/Lord_Howe", "2019-10-05T15:30", "half an hour is left out"),
    ("Australia/Adelaide", "2019-04-06T16:30", "an hour comes twice, half an hour off"),
    ("America/Sao_Paulo", "2017-10-15T03:00", "no midnight"),
    ("America/Sao_Paulo", "2018-02-18T02:00", "back over midnight to 23:00"),
    ("Asia/Beirut", "2021-03-27T22:00", "no midnight"),
    ("Africa/Cairo", "2024-04-25T22:00", "no midnight"),
    ("Africa/Cairo", "2024-10-31T21:00", "back over midnight to 23:00"),
    ("America/Havana", "2019-03-10T05:00", "no midnight"),
    ("America/Havana", "2019-11-03T05:00", "midnight comes twice on one date"),
    ("America/St_Johns", "2010-11-07T02:31", "back from 0:01 to 23:01: dates take turns"),
    ("America/St_Johns", "1988-04-03T03:31", "two hours are left out, from 0:01"),
    ("America/Nuuk", "2024-03-31T01:00", "the last hour of a date is left out"),
    ("Antarctica/Troll", "2019-03-31T01:00", "two hours are left out"),
    ("Antarctica/Troll", "2019-10-27T01:00", "two hours come twice"),
    ("Africa/Casablanca", "2019-05-05T02:00", "Ramadan begins: back"),
    ("Asia/Pyongyang", "2015-08-14T15:00", "half an hour comes twice, at midnight"),
    ("Asia/Pyongyang", "2018-05-04T15:00", "half an hour is left out, at midnight"),
    ("America/Caracas", "2016-05-01T07:00", "half an hour is left out"),
    ("Asia/Kathmandu", "1985-12-31T18:30", "a quarter of an hour is left out, at midnight"),
    ("Pacific/Apia", "2011-12-30T10:00", "30 December is left out"),
    ("Pacific/Kwajalein", "1993-08-21T12:00", "21 August is left out"),
    ("Pacific/Kwajalein", "1969-09-30T13:00", "nearly all of 30 September comes twice"),
    ("America/Juneau", "1867-10-19T00:30", "a whole date comes twice, with odd seconds"),
    ("Africa/Monrovia", "1972-01-07T00:44", "44 minutes and 30 seconds are left out"),
    ("Europe/Lisbon", "1912-01-01T00:00", "36 minutes and 45 seconds, from within a minute on"),
    ("America/Chicago", "1883-11-18T18:00", "nine minutes and 24 seconds come twice, likewise"),
    ("Pacific/Honolulu", "1896-01-13T22:31", "a minute and 26 seconds are left out"),
    ("Pacific/Tongatapu", "1945-09-09T11:40", "48 seconds are left out"),
    ("Pacific/Niue", "1952-10-16T11:19", "twenty seconds come twice"),
    ("Europe/Paris", "1911-03-10T23:50", "nine minutes and 21 seconds come twice"),
    ("America/Toronto", "1919-03-31T04:30", "the clock jumps from 23:30 over midnight"),
    ("UTC", "2099-12-31T00:00", "nothing at all"),
]

SOME = settings.default.max_examples // 15

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def listed(values):
    return st.lists(values, min_size=1, max_size=3).map(",".join)


@st.composite
def spans(draw, low, high):
    """One value or a range of them, perhaps with a step."""
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, min(first + 6, high)))
    step = draw(st.sampled_from(["", "", "", "/1", "/2", "/3"]))
    return f"{first}-{last}{step}" if last > first else str(first)


minutes = st.one_of(
    st.sampled_from(["*", "0", "30", "0,30", "1", "59", "0-59", "*/7", "*/15", "*/30", "5-59/20"]),
    listed(spans(0, 59)),
)
hours = st.one_of(
    st.sampled_from(["*", "0", "1", "2", "3", "23", "0,1", "2,3", "23,0", "0-23", "*/2", "1-3/2"]),
    listed(spans(0, 4) | spans(21, 23) | spans(0, 23)),
)
dates = st.sampled_from(["{eve}", "{day}", "{eve},{day}"])
days = st.sampled_from(["*", "*", "*/2", "1-31/3,30"]) | listed(spans(1, 31)) | dates
months = st.sampled_from(["*", "*", "*", "JAN-Jun", "2,3,10", "*/2", "mar,oct-DEC"])
weekdays = st.one_of(
    st.sampled_from(["*", "*", "*/2", "0", "7", "sun", "1,7", "5-7", "fri-sun", "MON-FRI"]),
    listed(spans(0, 7)),
)
simple = st.tuples(minutes, hours, st.just("*") | dates, st.just("* *")).map(" ".join)
texts = simple | st.tuples(minutes, hours, days, months, weekdays).map(" ".join)


def near(moment):
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


@st.composite
def starts(draw):
    """A start close to the middle of a window, a few seconds or none into its minute."""
    seconds = st.sampled_from([0, 0, 59]) | st.integers(0, 59)
    around = timedelta(minutes=draw(st.integers(-1500, 600)), seconds=draw(seconds))
    return around + timedelta(microseconds=draw(st.sampled_from([0, 1, 999_999])))


def agree(text, zone, when, middle):
    """Every run from ``when`` until two days after ``middle`` is the oracle's; ``when`` may be
    long before, if the rule has no run in between. ``{day}`` of the text is that of ``middle``."""
    text = text.format(day=middle.day, eve=(middle - DAY).day)
    try:
        rule = Cron(text, zone)
    except ConfigurationError:
        eight_years = (near("2000-01-01") + count * DAY for count in range(8 * 366))
        assert not any(oracle.date_fits(text, day) for day in eight_years)
        return
    begin = min(when.replace(second=0, microsecond=0), middle - 2 * DAY)
    end = middle + 2 * DAY
    found = []
    last, run = when, rule.next_after(when)
    while run is not None and run <= end:
        assert run > last
        found.append(run)
        last, run = run, rule.next_after(run)
    assert found == [moment for moment in oracle.runs(text, zone, begin, end) if moment > when]


@pytest.mark.parametrize(("zone", "moment", "_"), ODD[:-1])
def test_an_odd_hour_is_odd(zone, moment, _):
    around = [(near(moment) + day).astimezone(ZoneInfo(zone)) for day in (-DAY, DAY)]
    assert around[0].utcoffset() != around[1].utcoffset()


@pytest.mark.parametrize(("zone", "moment", "_"), ODD)
@pytest.mark.timeout(3600)
@settings(max_examples=SOME)
@given(text=texts, start=starts())
@example("* * * * *", -25 * HOUR)
@example("0 12 * * *", -25 * HOUR)
@example("30 2 * * *", -25 * HOUR)
@example("45 23 * * *", -25 * HOUR)
@example("0,30 0,2,23 * * *", -25 * HOUR)
@example("0-59 0-23 * * *", -2 * HOUR)
@example("*/30 0-3 * * *", -25 * HOUR)
@example("*/30 * {eve},{day} * *", -2 * HOUR)
def test_near_an_odd_hour(zone, moment, _, text, start):
    agree(text, zone, near(moment) + start, near(moment))


zones = st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"}))
"""Without those that are links to something on this machine."""


@pytest.mark.timeout(3600)
@given(zones, st.integers(1850, 2150), st.integers(0, 364), st.integers(0, 3), texts, starts())
def test_anywhere_at_any_time(zone, year, day, change, text, start):
    """Close to a change of the clock, if the year has any."""
    changes = oracle.changes(zone, year)
    middle = changes[change % len(changes)] if changes else near(f"{year}-01-01") + day * DAY
    agree(text, zone, middle + start, middle)


@pytest.mark.timeout(3600)
@settings(max_examples=SOME * 2)
@given(st.sampled_from(ODD), minutes, hours, st.integers(-1, 1), st.integers(3, 60), st.booleans())
def test_from_afar(odd, minute, hour, shift, days, yearly):
    """What fits one date of a month or a year is found from weeks before it, nothing missed."""
    zone, moment, _ = odd
    date = near(moment) + shift * DAY
    text = f"{minute} {hour} {date.day} {date.month if yearly else '*'} *"
    agree(text, zone, near(moment) - days * DAY, near(moment))

"""Cron where clocks are set: when a rule runs then, written out by hand."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from qml.values.cron import Cron

NEW_YEAR = datetime(2019, 1, 1, tzinfo=UTC)
"""Of a year gone by: nobody can change its rules any more."""
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def runs(text, zone, start, count):
    """So many runs as the clock of the zone reads them, from a reading of that clock on."""
    there = ZoneInfo(zone)
    run = datetime.fromisoformat(start).replace(tzinfo=there)
    rule = Cron(text, zone)
    found = []
    for _ in range(count):
        run = rule.next_after(run)
        found.append(run.astimezone(there).strftime("%m-%d %H:%M %z"))
    return found


def test_noon_is_noon_all_year():
    berlin = ZoneInfo("Europe/Berlin")
    rule = Cron("0 12 * * *", "Europe/Berlin")
    run = NEW_YEAR
    year = [run := rule.next_after(run) for _ in range(365)]
    there = [run.astimezone(berlin) for run in year]
    assert {run.strftime("%H:%M:%S.%f") for run in there} == {"12:00:00.000000"}
    assert all(later.date() - earlier.date() == DAY for earlier, later in pairwise(there))
    assert there[-1].date().isoformat() == "2019-12-31"
    assert Counter(run.hour for run in year) == {11: 365 - 210, 10: 210}


# Rules whose hour and minute are fixed

FIXED = {
    # In Berlin 2:00 to 2:59 is left out on 31 March, and comes twice on 27 October.
    ("0,30 2 * * *", "Europe/Berlin", "2019-03-30 02:15"): [
        "03-30 02:30 +0100",
        "03-31 03:00 +0200",
        "04-01 02:00 +0200",
        "04-01 02:30 +0200",
    ],
    ("30 2,3 * * *", "Europe/Berlin", "2019-03-31 00:00"): [
        "03-31 03:00 +0200",
        "03-31 03:30 +0200",
        "04-01 02:30 +0200",
    ],
    ("0 2,3 * * *", "Europe/Berlin", "2019-03-31 00:00"): [
        "03-31 03:00 +0200",
        "04-01 02:00 +0200",
    ],
    ("30 2 * * *", "Europe/Berlin", "2019-10-26 12:00"): [
        "10-27 02:30 +0200",
        "10-28 02:30 +0100",
    ],
    ("15,45 2-3 * * *", "Europe/Berlin", "2019-10-27 00:00"): [
        "10-27 02:15 +0200",
        "10-27 02:45 +0200",
        "10-27 03:15 +0100",
        "10-27 03:45 +0100",
        "10-28 02:15 +0100",
    ],
    ("30 2 * * sun", "Europe/Berlin", "2019-03-30 12:00"): [
        "03-31 03:00 +0200",
        "04-07 02:30 +0200",
    ],
    ("0 0 * * *", "America/Sao_Paulo", "2017-10-14 00:00"): [
        "10-15 01:00 -0200",
        "10-16 00:00 -0200",
    ],
    ("0 0 * * *", "America/Havana", "2019-11-02 12:00"): [
        "11-03 00:00 -0400",
        "11-04 00:00 -0500",
    ],
    # The clock goes back from 0:01 to 23:01.
    ("30 23 * * *", "America/St_Johns", "2010-11-06 12:00"): [
        "11-06 23:30 -0230",
        "11-07 23:30 -0330",
    ],
    ("0 0 * * *", "America/St_Johns", "2010-11-06 12:00"): [
        "11-07 00:00 -0230",
        "11-08 00:00 -0330",
    ],
    # 23:30 to 0:29 is left out: both dates run, at one moment or two.
    ("45 23 * * *", "America/Toronto", "1919-03-30 00:00"): [
        "03-31 00:30 -0400",
        "03-31 23:45 -0400",
    ],
    ("45 0,23 * * *", "America/Toronto", "1919-03-30 12:00"): [
        "03-31 00:30 -0400",
        "03-31 00:45 -0400",
        "03-31 23:45 -0400",
    ],
    ("15 2 * * *", "Australia/Lord_Howe", "2019-10-05 12:00"): [
        "10-06 02:30 +1100",
        "10-07 02:15 +1100",
    ],
    ("30 1,2 * * *", "Antarctica/Troll", "2019-03-30 12:00"): [
        "03-31 03:00 +0200",
        "04-01 01:30 +0200",
    ],
    # Samoa had no 30 December 2011, Kwajalein no 21 August 1993.
    ("0 0 * * *", "Pacific/Apia", "2011-12-28 12:00"): [
        "12-29 00:00 -1000",
        "12-31 00:00 +1400",
        "01-01 00:00 +1400",
    ],
    ("0 12 * * *", "Pacific/Apia", "2011-12-29 00:00"): [
        "12-29 12:00 -1000",
        "12-31 12:00 +1400",
    ],
    ("0 12 30 12 *", "Pacific/Apia", "2010-12-31 00:00"): ["12-30 12:00 +1400"],  # of 2012
    ("30 23 20-22 8 *", "Pacific/Kwajalein", "1993-08-20 00:00"): [
        "08-20 23:30 -1200",
        "08-22 23:30 +1200",
    ],
    # The clock of Kwajalein went back from 24:00 to 1:00 of the same date.
    ("0 0,12 * * *", "Pacific/Kwajalein", "1969-09-30 00:00"): [
        "09-30 12:00 +1100",
        "10-01 00:00 -1200",
    ],
    # Within the minute 23:23 it was midnight; 12:09 lasted 24 seconds, and came again.
    ("23 23 * * *", "Europe/Lisbon", "1911-12-31 00:00"): [
        "01-01 00:00 +0000",
        "01-01 23:23 +0000",
    ],
    ("9 12 * * *", "America/Chicago", "1883-11-17 18:00"): [
        "11-18 12:09 -0600",
        "11-19 12:09 -0600",
    ],
}

# Rules with a star or a step in hour or minute

REAL = {
    ("*/30 2 * * *", "Europe/Berlin", "2019-03-30 02:15"): [
        "03-30 02:30 +0100",
        "04-01 02:00 +0200",
    ],
    ("*/30 2 * * *", "Europe/Berlin", "2019-10-27 00:00"): [
        "10-27 02:00 +0200",
        "10-27 02:30 +0200",
        "10-27 02:00 +0100",
        "10-27 02:30 +0100",
        "10-28 02:00 +0100",
    ],
    ("0-59/30 2 * * *", "Europe/Berlin", "2019-10-27 02:15"): [
        "10-27 02:30 +0200",
        "10-27 02:00 +0100",
        "10-27 02:30 +0100",
    ],
    ("0 */2 * * *", "Europe/Berlin", "2019-10-27 00:00"): [
        "10-27 02:00 +0200",
        "10-27 02:00 +0100",
        "10-27 04:00 +0100",
    ],
    ("@hourly", "Europe/Berlin", "2019-03-31 01:00"): ["03-31 03:00 +0200", "03-31 04:00 +0200"],
    ("*/30 * * * *", "Australia/Lord_Howe", "2019-04-07 01:00"): [
        "04-07 01:30 +1100",
        "04-07 01:30 +1030",
        "04-07 02:00 +1030",
    ],
    ("*/20 * * * *", "America/St_Johns", "2010-11-06 23:30"): [
        "11-06 23:40 -0230",
        "11-07 00:00 -0230",
        "11-06 23:20 -0330",
        "11-06 23:40 -0330",
        "11-07 00:00 -0330",
        "11-07 00:20 -0330",
    ],
    ("*/30 0 7 * *", "America/St_Johns", "2010-11-06 12:00"): [
        "11-07 00:00 -0230",
        "11-07 00:00 -0330",
        "11-07 00:30 -0330",
        "12-07 00:00 -0330",
    ],
    ("0 */12 * * *", "Pacific/Apia", "2011-12-29 00:00"): [
        "12-29 12:00 -1000",
        "12-31 00:00 +1400",
    ],
}


@pytest.mark.parametrize(("rule", "expected"), (FIXED | REAL).items())
def test_where_the_clock_is_set(rule, expected):
    assert runs(*rule, len(expected)) == expected


def test_an_hour_that_came_already_has_had_its_run():
    second = datetime(2019, 10, 27, 2, 10, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    rule = Cron("5,30 2 * * *", "Europe/Berlin")
    assert rule.next_after(second) == datetime(2019, 10, 28, 1, 5, tzinfo=UTC)
    assert rule.next_after(second.replace(fold=0)) == datetime(2019, 10, 27, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "middle"),
    [
        ("Europe/Berlin", "2019-03-31 01:00"),
        ("Australia/Lord_Howe", "2019-04-06 15:00"),
        ("Pacific/Apia", "2011-12-30 10:00"),
        ("Africa/Monrovia", "1972-01-07 00:44"),  # from 44 minutes and 30 seconds to none
        ("Pacific/Honolulu", "1896-01-13 22:31"),  # from 10:31:26 to 10:30
    ],
)
def test_every_minute_is_every_minute_of_utc(zone, middle):
    start = datetime.fromisoformat(middle).replace(tzinfo=UTC) - 60 * MINUTE
    rule = Cron("* * * * *", zone)
    run = start
    found = [run := rule.next_after(run) for _ in range(120)]
    assert found == [start + count * MINUTE for count in range(1, 121)]


def test_an_offset_with_seconds():
    """Liberia was 44 minutes and 30 seconds behind, so its noon was no whole minute."""
    rule = Cron("0 12 * * *", "Africa/Monrovia")
    at = [datetime(1972, 1, 5, 13, tzinfo=UTC)]
    for _ in range(3):
        at.append(rule.next_after(at[-1]))
    assert [run.isoformat() for run in at[1:]] == [
        "1972-01-06T12:45:00+00:00",
        "1972-01-07T12:00:00+00:00",
        "1972-01-08T12:00:00+00:00",
    ]
    noon = datetime(1972, 1, 6, 12, 44, 30, tzinfo=UTC)
    assert rule.next_after(noon) == rule.next_after(noon + 29 * MINUTE / 60) == at[1]


def test_every_zone_has_noons():
    for zone in available_timezones():
        there = ZoneInfo(zone)
        run = NEW_YEAR
        rule = Cron("0 12 * * *", zone)
        found = [(run := rule.next_after(run)).astimezone(there) for _ in range(3)]
        assert {noon.strftime("%H:%M:%S") for noon in found} == {"12:00:00"}, zone
        assert [later - earlier for earlier, later in pairwise(found)] == [DAY, DAY], zone

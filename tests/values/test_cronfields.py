"""The fields of a cron rule: what they mean, and what they refuse."""

from datetime import UTC, datetime, timedelta

import pytest

from qml.values.cron import Cron
from qml.values.cronfields import Pattern
from qml.values.errors import ConfigurationError

NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)  # a Tuesday
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def until(text, start, end):
    """Every run from ``start`` on and before ``end``."""
    rule = Cron(text)
    found = []
    run = rule.next_after(start - MINUTE)
    while run < end:
        assert not found or run > found[-1]
        found.append(run)
        run = rule.next_after(run)
    return found


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", "Sun"),
        ("7", "Sun"),
        ("sun", "Sun"),
        ("SUN", "Sun"),
        ("sun-sun", "Sun"),
        ("1", "Mon"),
        ("1,7", "Mon Sun"),
        ("5-7", "Fri Sat Sun"),
        ("fri-sun", "Fri Sat Sun"),
        ("sat-sun", "Sat Sun"),
        ("sun-tue", "Mon Tue Sun"),
        ("0-2", "Mon Tue Sun"),
        ("Mon-fri", "Mon Tue Wed Thu Fri"),
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("1-5/2", "Mon Wed Fri"),
        ("*/2", "Tue Thu Sat Sun"),
        ("5-7/2", "Fri Sun"),
        ("fri-sun,mon", "Mon Fri Sat Sun"),
        ("tue,3,THU", "Tue Wed Thu"),
        ("0-7", "Mon Tue Wed Thu Fri Sat Sun"),
        ("*", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_weekdays_are_those_of_cron(field, days):
    monday = NEW_YEAR + 6 * DAY
    week = until(f"0 0 * * {field}", monday, monday + 7 * DAY)
    assert " ".join(run.strftime("%a") for run in week) == days


@pytest.mark.parametrize(
    ("field", "months"),
    [
        ("*", "1 2 3 4 5 6 7 8 9 10 11 12"),
        ("*/5", "1 6 11"),
        ("jan", "1"),
        ("2-4,DEC", "2 3 4 12"),
        ("oct-12", "10 11 12"),
        ("mar-sep/3", "3 6 9"),
    ],
)
def test_months(field, months):
    year = until(f"0 0 1 {field} *", NEW_YEAR, datetime(2031, 1, 1, tzinfo=UTC))
    assert " ".join(str(run.month) for run in year) == months


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("0 9,17 * * *", "09:00 17:00"),
        ("5-7 23 * * *", "23:05 23:06 23:07"),
        ("59 0-23/12 * * *", "00:59 12:59"),
        ("*/20 6 * * *", "06:00 06:20 06:40"),
        ("10-59/20 6 * * *", "06:10 06:30 06:50"),
        ("30,0,30,10-11 6 * * *", "06:00 06:10 06:11 06:30"),
        ("*/59 */23 * * *", "00:00 00:59 23:00 23:59"),
        ("*/60 */24 * * *", "00:00"),
        ("007 05 * * *", "05:07"),
    ],
)
def test_minutes_and_hours(text, times):
    day = until(text, NEW_YEAR, NEW_YEAR + DAY)
    assert " ".join(run.strftime("%H:%M") for run in day) == times


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ("* mon", "7 14 21 28"),
        ("10 *", "10"),
        ("10 mon", "7 10 14 21 28"),  # both are restricted: either is enough
        ("1-31 mon", " ".join(map(str, range(1, 32)))),
        ("20-22 0-0", "6 13 20 21 22 27"),
        ("*/2 mon", "7 21"),  # one begins with a star: both must fit
        ("*/10,14 mon", "14 21"),
        ("10,*/2 fri", "1 3 4 5 7 9 10 11 13 15 17 18 19 21 23 25 27 29 31"),
        ("15 */2", "15"),
        ("16 */2", ""),
        ("*/10 *", "1 11 21 31"),
    ],
)
def test_either_day_field_is_enough_when_both_are_restricted(days, found):
    of_month, of_week = days.split()
    january = until(f"0 0 {of_month} 1 {of_week}", NEW_YEAR, datetime(2030, 2, 1, tzinfo=UTC))
    assert " ".join(str(run.day) for run in january) == found


@pytest.mark.parametrize(
    ("shortcut", "fields"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * sun"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@Annually", "0 0 1 jan *"),
    ],
)
def test_shortcuts(shortcut, fields):
    end = datetime(2031, 1, 2, tzinfo=UTC)
    assert until(shortcut, NEW_YEAR, end) == until(fields, NEW_YEAR, end)


def test_readings_begin_where_they_are_told_to():
    pattern = Pattern.read("0,30 9 * * *")
    for start, first in [("00:00", "09:00"), ("09:00", "09:00"), ("09:01", "09:30")]:
        reading = next(pattern.readings(datetime.fromisoformat(f"2019-01-01 {start}")))
        assert reading.isoformat(" ", "minutes") == f"2019-01-01 {first}"
    assert next(pattern.readings(datetime(2018, 12, 31, 9, 31))) == datetime(2019, 1, 1, 9)


# What it refuses

GIVE_FIVE = (
    "give five: minute, hour, day of month, month, day of week, as in '30 9 * * mon-fri' "
    "(there are no seconds and no years)"
)
ALSO = "a list (1,2), a range (1-5), a step (*/2, 1-5/2) or *; there is no ?, L, W or #"
WEEK = "give 0 to 7 or sun to sat"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", f" has 0 fields; {GIVE_FIVE}"),
        ("daily", f" has 1 field; {GIVE_FIVE}"),
        ("0 9 * *", f" has 4 fields; {GIVE_FIVE}"),
        ("0 0 9 * * *", f" has 6 fields; {GIVE_FIVE}"),
        ("60 9 * * *", ": minute is '60'; give 0 to 59"),
        ("0,60 9 * * *", ": minute is '60'; give 0 to 59"),
        ("0 24 * * *", ": hour is '24'; give 0 to 23"),
        ("0 0-24 * * *", ": hour is '0-24'; give 0 to 23"),
        ("0 0 0 * *", ": day of month is '0'; give 1 to 31"),
        ("0 0 32 * *", ": day of month is '32'; give 1 to 31"),
        ("0 0 * 0 *", ": month is '0'; give 1 to 12 or jan to dec"),
        ("0 0 * 13 *", ": month is '13'; give 1 to 12 or jan to dec"),
        ("0 0 * * 8", f": day of week is '8'; {WEEK}"),
        ("0 0 * * mon-8", f": day of week is 'mon-8'; {WEEK}"),
        ("0 0 * * monday", f": day of week is 'monday'; {WEEK}, {ALSO}"),
        ("0 0 * mon *", f": month is 'mon'; give 1 to 12 or jan to dec, {ALSO}"),
        ("0 0 jan * *", f": day of month is 'jan'; give 1 to 31, {ALSO}"),
        ("0 0 L * *", f": day of month is 'L'; give 1 to 31, {ALSO}"),
        ("0 0 15W * *", f": day of month is '15W'; give 1 to 31, {ALSO}"),
        ("0 0 ? * *", f": day of month is '?'; give 1 to 31, {ALSO}"),
        ("0 0 * * fri#2", f": day of week is 'fri#2'; {WEEK}, {ALSO}"),
        ("1,,2 * * * *", f": minute is ''; give 0 to 59, {ALSO}"),
        ("-1 * * * *", f": minute is '-1'; give 0 to 59, {ALSO}"),
        ("1.5 * * * *", f": minute is '1.5'; give 0 to 59, {ALSO}"),
        ("1-2-3 * * * *", f": minute is '1-2-3'; give 0 to 59, {ALSO}"),
        ("*-5 * * * *", f": minute is '*-5'; give 0 to 59, {ALSO}"),
        ("\u0665 * * * *", f": minute is '\u0665'; give 0 to 59, {ALSO}"),
        ("9999999999 * * * *", f": minute is '9999999999'; give 0 to 59, {ALSO}"),
        ("*/ * * * *", f": minute is '*/'; give 0 to 59, {ALSO}"),
        ("*/-2 * * * *", f": minute is '*/-2'; give 0 to 59, {ALSO}"),
        ("*/0 * * * *", ": minute is '*/0'; a step of 0 leads nowhere; give 1 or more"),
        ("0 0 1-9/00 * *", ": day of month is '1-9/00'; a step of 0 leads nowhere; give 1 or more"),
        ("5/15 * * * *", ": minute is '5/15'; a step needs a range; write 5-59/15"),
        ("0 22-2 * * *", ": hour is '22-2'; a range does not go round its end; write 22-23,0-2"),
        (
            "0 0 * * fri-mon",
            ": day of week is 'fri-mon'; a range does not go round its end; write 5-7,0-1",
        ),
        (
            "0 0 * nov-feb *",
            ": month is 'nov-feb'; a range does not go round its end; write 11-12,1-2",
        ),
        (
            "@reboot",
            " is no shortcut; give one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, "
            "@annually, or five fields",
        ),
        (
            "0 0 30 2 *",
            ": day of month is '30', and month '2' never has such a day, so it would never run; "
            "give another day or month",
        ),
        (
            "0 0 31 2,4,JUN,9,11 */2",
            ": day of month is '31', and month '2,4,JUN,9,11' never has such a day, so it would "
            "never run; give another day or month",
        ),
    ],
)
def test_a_rule_that_cannot_be(text, told):
    with pytest.raises(ConfigurationError) as caught:
        Cron(text)
    assert str(caught.value) == f"Cron {text!r}{told}"


@pytest.mark.parametrize("text", ["0 0 31 2 mon", "0 0 30,29 2 *", "0 0 31 2,3 *", "0 0 */31 2 *"])
def test_a_rule_that_can_be(text):
    assert Cron(text).next_after(NEW_YEAR) is not None

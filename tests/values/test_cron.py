"""Cron: what it takes and gives, and how far it looks."""

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs
import pytest

from qml.values import cron as cron_module
from qml.values.cron import Cron
from qml.values.errors import ConfigurationError

NEW_YEAR = datetime(2019, 1, 1, tzinfo=UTC)  # a Tuesday
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


# Far away


@pytest.mark.parametrize(
    ("text", "start", "found"),
    [
        ("0 0 29 2 *", 2096, [2096, 2104, 2108]),
        ("0 0 29 2 *", 1896, [1896, 1904]),
        ("0 0 29 2 *", 1999, [2000, 2004]),
        ("*/30 */23 29 2 *", 2097, [2104]),
        ("0 0 29 2 */7", 2061, [2088, 2128]),  # and a Sunday
        ("*/5 12-13 29 2 */7", 2089, [2128]),
    ],
)
def test_29_february(text, start, found):
    when = datetime(start, 1, 1, tzinfo=UTC)
    rule = Cron(text, "Europe/Berlin")
    years = []
    while len(years) < len(found):
        run = rule.next_after(when)
        assert run.astimezone(ZoneInfo("Europe/Berlin")).strftime("%m-%d") == "02-29"
        years.append(run.year)
        when = run + 2 * DAY
    assert years == found


def test_the_rarest_rule_is_found_in_bounded_time(monkeypatch):
    """Counted by how often a clock is read: never once for each day that goes by."""
    read = []

    class Counted(ZoneInfo):
        def fromutc(self, moment):
            read.append(moment)
            return super().fromutc(moment)

    monkeypatch.setattr(cron_module, "ZoneInfo", Counted)
    for text in ("0 0 29 2 */7", "*/5 12-13 29 2 */7", "* * 29 2 */7"):
        assert Cron(text, "Europe/Berlin").next_after(datetime(2088, 3, 2, tzinfo=UTC)).year == 2128
    assert 0 < len(read) < 150


@pytest.mark.parametrize(
    ("text", "zone", "last"),
    [
        ("* * * * *", "UTC", "9999-12-31T23:59:00+00:00"),
        ("0 12 * * *", "UTC", "9999-12-31T12:00:00+00:00"),
        ("0 0 29 2 *", "UTC", "9996-02-29T00:00:00+00:00"),
        ("*/5 0 29 2 *", "UTC", "9996-02-29T00:55:00+00:00"),
        ("0 23 * * *", "Etc/GMT+5", "9999-12-31T04:00:00+00:00"),
        ("0 * * * *", "Etc/GMT+5", "9999-12-31T23:00:00+00:00"),
        ("0 * * * *", "Etc/GMT-9", "9999-12-31T14:00:00+00:00"),
        ("0 23 * * *", "Etc/GMT-9", "9999-12-31T14:00:00+00:00"),
    ],
)
def test_where_the_calendar_ends(text, zone, last):
    rule = Cron(text, zone)
    last = datetime.fromisoformat(last)
    assert rule.next_after(last - MINUTE) == last
    assert rule.next_after(last) is None
    assert rule.next_after(datetime.max.replace(tzinfo=UTC)) is None


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+5", "Etc/GMT-9"])
@pytest.mark.parametrize("text", ["* * * * *", "59 0 * * *"])
def test_where_the_calendar_begins(text, zone):
    run = Cron(text, zone).next_after(datetime.min.replace(tzinfo=UTC))
    assert datetime(1, 1, 4, tzinfo=UTC) < run < datetime(1, 1, 6, tzinfo=UTC)


# What it takes and gives


def test_a_run_is_later_and_in_utc():
    rule = Cron("30 9 * * *", "Asia/Kathmandu")
    run = rule.next_after(NEW_YEAR)
    assert (run, run.tzinfo) == (datetime(2019, 1, 1, 3, 45, tzinfo=UTC), UTC)
    assert rule.next_after(run - timedelta(microseconds=1)) == run
    assert rule.next_after(run) == rule.next_after(run + timedelta(microseconds=1)) == run + DAY
    every = Cron("* * * * *", "Asia/Kathmandu")
    assert every.next_after(run - timedelta(microseconds=1)) == run
    assert every.next_after(run) == every.next_after(run + 0.99 * MINUTE) == run + MINUTE


def test_the_zone_of_the_question_does_not_matter():
    rule = Cron("0 12 * * *", "Europe/Berlin")
    for zone in (timezone(timedelta(hours=-11)), ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin")):
        assert rule.next_after(NEW_YEAR.astimezone(zone)) == rule.next_after(NEW_YEAR)
    second = datetime(2019, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    hourly = Cron("@hourly", "Europe/Berlin")
    assert hourly.next_after(second) == datetime(2019, 10, 27, 2, tzinfo=UTC)
    assert hourly.next_after(second.replace(fold=0)) == datetime(2019, 10, 27, 1, tzinfo=UTC)


@pytest.mark.parametrize("when", [datetime(2019, 1, 1), "2019-01-01", None])
def test_a_question_without_a_moment(when):
    with pytest.raises(ConfigurationError, match=r"^Cron.next_after when is .*aware"):
        Cron("@daily").next_after(when)


def test_it_is_a_value():
    rule = Cron(" 30  9\t* * mon-fri\n", "Europe/Berlin")
    assert (rule.text, rule.timezone) == ("30 9 * * mon-fri", "Europe/Berlin")
    assert str(rule) == "30 9 * * mon-fri Europe/Berlin"
    assert repr(rule) == "Cron(text='30 9 * * mon-fri', timezone='Europe/Berlin')"
    same = Cron("30 9 * * mon-fri", timezone="Europe/Berlin")
    assert rule == same
    assert {rule, same} == {rule}
    assert rule != attrs.evolve(rule, timezone="Europe/Paris")
    assert rule != attrs.evolve(rule, text="30 9 * * 1-5")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        rule.text = "@daily"


def test_the_default_zone_is_utc():
    assert Cron("0 9 * * *") == Cron("0 9 * * *", "UTC")
    assert Cron("0 9 * * *").next_after(NEW_YEAR) == NEW_YEAR + timedelta(hours=9)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_copies_are_equal_and_run_alike(zone):
    rule = Cron("30 9 * * mon-fri", zone)
    for copied in (copy.deepcopy(rule), pickle.loads(pickle.dumps(rule)), attrs.evolve(rule)):
        assert copied == rule
        assert copied.next_after(NEW_YEAR) == rule.next_after(NEW_YEAR)


# What it refuses beside its fields


@pytest.mark.parametrize("text", [None, 5, b"0 9 * * *", ["0", "9", "*", "*", "*"]])
def test_a_rule_that_is_no_text(text):
    with pytest.raises(ConfigurationError) as caught:
        Cron(text)
    assert str(caught.value) == (
        f"Cron text is {text!r}; give five fields as text, such as '30 9 * * mon-fri'"
    )


@pytest.mark.parametrize(
    ("zone", "remedy"),
    [
        ("Europe/Berln", "perhaps 'Europe/Berlin' is meant"),
        ("europe/berlin", "perhaps 'Europe/Berlin' is meant"),
        ("utc", "perhaps 'UTC' is meant"),
        (UTC, "perhaps 'UTC' is meant"),
        *[
            (name, "give a name such as 'Europe/Berlin'")
            for name in ("", "../etc/passwd", "/etc", "x\0", "\ud800", None, 5)
        ],
    ],
)
def test_an_unknown_zone(zone, remedy):
    with pytest.raises(ConfigurationError) as caught:
        Cron("@daily", zone)
    assert str(caught.value) == (
        f"Cron '@daily': timezone is {zone!r}, and no zone has this name; {remedy}"
    )


def test_a_folder_is_no_zone():
    with pytest.raises(ConfigurationError, match=r"^Cron '@daily': timezone is 'Europe', "):
        Cron("@daily", "Europe")


def test_utc_needs_no_database(monkeypatch):
    def none(name):
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(cron_module, "ZoneInfo", none)
    monkeypatch.setattr(cron_module, "available_timezones", set)
    assert Cron("@daily").next_after(NEW_YEAR) == NEW_YEAR + timedelta(days=1)
    with pytest.raises(ConfigurationError, match=r"knows none at all: pip install tzdata, or give"):
        Cron("@daily", "Europe/Berlin")

"""Whole microseconds: exact over the whole calendar."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from qml.values.errors import ConfigurationError
from qml.values.times import EPOCH, LAST, aware_utc, from_micros, span_micros, to_micros, utc_now

FIRST = -62_135_596_800_000_000  # 0001-01-01
aware = st.datetimes(timezones=st.just(UTC))
zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.integers(FIRST, LAST))
@example(FIRST)
@example(LAST)
@example(-1)
@example(2**53 + 1)
def test_every_microsecond_comes_back(micros):
    assert to_micros(from_micros(micros)) == micros
    assert from_micros(micros).tzinfo is UTC


@given(aware)
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
def test_every_moment_comes_back(moment):
    assert from_micros(to_micros(moment)) == moment


@given(aware, zones)
def test_the_zone_does_not_matter(moment, zone):
    assume(datetime.min.year < moment.year < datetime.max.year)
    elsewhere = moment.astimezone(zone)
    assert to_micros(elsewhere) == to_micros(moment)
    kept = aware_utc("x", elsewhere)
    assert (kept, kept.tzinfo, kept.microsecond) == (moment, UTC, moment.microsecond)


@given(aware, aware)
def test_order_is_kept(one, other):
    assert (to_micros(one) < to_micros(other)) == (one < other)


def test_known_numbers():
    assert to_micros(EPOCH) == 0
    assert to_micros(datetime(2001, 9, 9, 1, 46, 40, 7, UTC)) == 1_000_000_000_000_007
    assert to_micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == -1
    assert from_micros(LAST) == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "micros"),
    [(0, 0), (1, 1_000_000), (0.1, 100_000), (1e-6, 1), (4e-7, 0), (6e-7, 1), (-2.5, -2_500_000)],
)
def test_spans(seconds, micros):
    assert span_micros(seconds) == micros
    assert type(span_micros(seconds)) is int


@given(st.integers(0, 10**15))
def test_a_span_of_thirty_years_is_exact(micros):
    assert span_micros(micros / 1_000_000) == micros


def test_a_naive_moment_is_refused_by_name():
    with pytest.raises(ConfigurationError, match=r"^lunch is datetime.*naive.*timezone.utc"):
        aware_utc("lunch", datetime(2030, 1, 1))


@pytest.mark.parametrize("wrong", [None, 0, "2030-01-01", EPOCH.date()])
def test_what_is_no_moment_is_refused_by_name(wrong):
    with pytest.raises(ConfigurationError, match=r"^lunch is .*; give an aware datetime"):
        aware_utc("lunch", wrong)


def test_now_is_aware():
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(seconds=10)
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize(
    "edge",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=5))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_a_moment_beyond_the_calendar_is_refused_by_name(edge):
    with pytest.raises(ConfigurationError, match=r"^lunch is "):
        aware_utc("lunch", edge)

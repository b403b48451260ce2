"""RetryPolicy: how long until the next try."""

import math
import random

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qml import RetryPolicy
from qml.values.errors import ConfigurationError
from qml.values.retry import LONGEST

sizes = st.floats(0, 1e308) | st.integers(0, 10**400)


@st.composite
def policies(draw):
    return RetryPolicy(
        base=draw(sizes),
        factor=draw(st.floats(1, 1e308) | st.integers(1, 10**400)),
        cap=draw(st.floats(0, LONGEST)),
        jitter=draw(st.sampled_from([0, 0.0, 0.5, 1])),
    )


def test_the_defaults():
    policy = RetryPolicy()
    assert attrs.astuple(policy) == (5, 1.0, 4.0, 3600.0, 0.0)
    assert [policy.delay(number) for number in range(1, 9)] == [
        1, 4, 16, 64, 256, 1024, 3600, 3600,
    ]  # fmt: skip


@given(base=st.floats(0, 3600), factor=st.floats(1, 100))
def test_the_first_delay_is_base(base, factor):
    assert RetryPolicy(base=base, factor=factor).delay(1) == base


@pytest.mark.parametrize("number", [0, -1, -(10**9)])
def test_there_is_nothing_before_the_first(number):
    assert RetryPolicy(base=2, factor=3).delay(number) == 2


def test_growth_and_cap():
    policy = RetryPolicy(base=0.5, factor=3, cap=10)
    assert [policy.delay(number) for number in (1, 2, 3, 4, 5)] == [0.5, 1.5, 4.5, 10, 10]
    assert RetryPolicy(base=20, cap=10).delay(1) == 10
    assert RetryPolicy(base=7, factor=1).delay(50) == 7


@given(policies(), st.integers(1, 12) | st.integers(1, 10**9) | st.just(10**9))
@example(RetryPolicy(), 10**9)
@example(RetryPolicy(base=10**400, factor=10**400), 10**9)
@example(RetryPolicy(base=0, factor=1e308), 10**9)
@example(RetryPolicy(base=float("inf")), 1)
@example(RetryPolicy(factor=float("inf")), 2)
@example(RetryPolicy(cap=0, jitter=1), 3)
def test_finite_and_bounded_for_any_number(policy, number):
    delay = policy.delay(number)
    assert math.isfinite(delay)
    assert 0 <= delay <= policy.cap * (1 + policy.jitter)


@given(policies(), st.integers(1, 1_000))
def test_no_delay_is_shorter_than_the_one_before(policy, number):
    steady = attrs.evolve(policy, jitter=0)
    assert steady.delay(number) <= steady.delay(number + 1)


def test_no_base_is_no_delay():
    assert RetryPolicy(base=0).delay(1) == 0
    assert RetryPolicy(base=0).delay(10**9) == 0


def test_jitter_adds_its_share_and_no_more(monkeypatch):
    policy = RetryPolicy(base=10, factor=2, jitter=0.5)
    for drawn, first, second in [(0.0, 10, 20), (0.5, 12.5, 25), (1.0, 15, 30)]:
        monkeypatch.setattr("qml.values.retry.random.random", lambda drawn=drawn: drawn)
        assert (policy.delay(1), policy.delay(2)) == (first, second)


def test_jitter_spreads():
    random.seed(7)
    policy = RetryPolicy(base=10, jitter=0.2)
    delays = [policy.delay(1) for _ in range(500)]
    assert all(10 <= delay <= 12 for delay in delays)
    assert min(delays) < 10.2
    assert max(delays) > 11.8


def test_without_jitter_nothing_is_random():
    assert len({RetryPolicy(base=0.3).delay(3) for _ in range(50)}) == 1


def test_microseconds():
    assert RetryPolicy(base=0.1).delay_micros(1) == 100_000
    assert RetryPolicy(base=1, factor=10**400, cap=LONGEST).delay_micros(10**9) == 10**15
    assert type(RetryPolicy(base=1.5).delay_micros(1)) is int


NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        *[("max_retries", value, "give 0 or more") for value in (-1, True, "5", None, NAN)],
        ("max_retries", 2.0, "give a whole number"),
        *[("base", value, "give 0 or more") for value in (-0.1, NAN, False, "1", None)],
        *[("factor", value, "give 1 or more") for value in (0.99, 0, NAN, True, "2", None)],
        *[("cap", value, "give 0 or more") for value in (-1, NAN, True, "9", None)],
        *[("cap", value, "give 1,000,000,000 or less") for value in (10**9 + 1, float("inf"))],
        *[("jitter", value, "give 0 or more") for value in (-0.1, NAN, True, "1", None)],
        *[("jitter", value, "give 0 to 1") for value in (1.01, 2, float("inf"))],
    ],
)
def test_a_wrong_setting(name, value, remedy):
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**{name: value})
    assert str(caught.value) == f"RetryPolicy {name} is {value!r}; {remedy}"


def test_the_edges_are_allowed():
    policy = RetryPolicy(max_retries=0, base=0, factor=1, cap=LONGEST, jitter=1)
    assert (policy.max_retries, policy.cap, policy.jitter) == (0, LONGEST, 1)


def test_settings_have_names_and_are_frozen():
    with pytest.raises(TypeError):
        RetryPolicy(5)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        RetryPolicy().base = 2


def test_more_retries_than_a_store_can_count_are_refused():
    with pytest.raises(ConfigurationError, match="max_retries"):
        RetryPolicy(max_retries=2**63)

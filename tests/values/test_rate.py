"""Rates: what they take, and what a store can count."""

import pytest

from qml import ConfigurationError, Rate
from qml.values.rate import LONGEST


def test_a_burst_that_no_store_can_count_is_refused():
    with pytest.raises(ConfigurationError) as refused:
        Rate(1, 1e8, burst=10**9)
    assert str(refused.value) == (
        "Rate burst is 1000000000, and so many starts at 1 in 1e+08 s take longer than 30 years; "
        "give a smaller burst"
    )


@pytest.mark.parametrize(
    ("count", "seconds"), [(1, 1e8), (1, 1.0), (3, 7.0), (10**6, 1e8), (10**9, 1e-3)]
)
def test_the_largest_burst_can_be_counted_exactly(count, seconds):
    """Times are microseconds since 1970, and exact in a double up to 2**53."""
    most = min(10**9, LONGEST // Rate(count, seconds).gap)
    rate = Rate(count, seconds, burst=most)
    year_2200 = 230 * 366 * 86_400 * 1_000_000
    assert year_2200 + (rate.burst + 1) * rate.gap < 2**53
    if most < 10**9:
        with pytest.raises(ConfigurationError, match="give a smaller burst"):
            Rate(count, seconds, burst=most + 1)


@pytest.mark.parametrize("burst", [0, -1, 1.5, True, "2", 10**9 + 1])
def test_what_is_no_burst(burst):
    with pytest.raises(ConfigurationError, match=r"Rate burst is .*; give a whole number"):
        Rate(1, burst=burst)

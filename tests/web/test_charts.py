"""Charts: what is drawn lies within its room, whatever the numbers are."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from qml.values.activity import Minute
from qml.web import activity, charts
from qml.web.charts import Column

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

NUMBERS = st.lists(
    st.fixed_dictionaries(
        {kind: st.one_of(st.integers(0, 5), st.integers(0, 10**9)) for kind in activity.KINDS}
    ),
    max_size=80,
)


@given(NUMBERS)
def test_every_bar_is_within_the_chart(numbers):
    columns = [Column(START + timedelta(minutes=n), found) for n, found in enumerate(numbers)]
    drawn = charts.stacked(columns, activity.KINDS)
    assert len(drawn.columns) == len(columns)
    for (x, width, _, bars), column in zip(drawn.columns, columns, strict=True):
        assert charts.LEFT <= x <= charts.WIDTH
        assert x + width <= charts.WIDTH + 1
        assert {bar.kind for bar in bars} == {k for k, v in column.numbers.items() if v}
        for bar in bars:
            assert bar.y >= 0
            assert bar.y + bar.height <= drawn.foot + 3
            assert bar.width > 0
    for mark in (*drawn.lines, *drawn.marks):
        assert 0 <= mark.x <= charts.WIDTH
        assert 0 <= mark.y <= charts.HEIGHT


def minutes(count):
    return [Minute(START + timedelta(minutes=n), 3, 1, 0, 8.0) for n in range(count)]


def test_figures():
    found = activity.activity(minutes(60), "1h")
    assert (found.ended, found.rate, found.wrong) == (240, "4.0", "25.0 %")
    assert found.mean == "2.0 s"
    assert len(found.columns) == 60
    assert "60 failed for good" in found.words


def test_longer_spans_have_wider_columns():
    assert len(activity.activity(minutes(360), "6h").columns) == 72
    day = activity.activity(minutes(1_440), "24h")
    assert len(day.columns) == 72
    assert day.columns[0].numbers == {"succeeded": 60, "failed": 20, "retrying": 0}


def test_nothing_yet():
    nothing = [Minute(START + timedelta(minutes=n)) for n in range(60)]
    found = activity.activity(nothing, "1h")
    assert (found.ended, found.rate) == (0, "0.0")

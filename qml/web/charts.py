"""Charts as SVG, drawn on the server: shapes with classes, which the style sheet colours."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

WIDTH, HEIGHT, FOOT, LEFT = 720, 174, 28, 40
"""Units of a chart: its size, the room below for times and at the left for numbers."""

GAP = 1.5


@attrs.frozen
class Bar:
    """A rectangle of ``kind``, in the chart's units."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@attrs.frozen
class Mark:
    """A text beside an axis."""

    x: float
    y: float
    text: str


@attrs.frozen
class Column:
    """What happened in one span of time that begins at ``at``: numbers by kind, and the ``words``
    for who points at it."""

    at: datetime
    numbers: dict[str, float]
    words: str = ""


@attrs.frozen
class Chart:
    """What a template draws: ``columns`` of bars with their words, ``lines`` across, ``marks``."""

    columns: list[tuple[float, float, str, list[Bar]]]
    lines: list[Mark]
    marks: list[Mark]
    width: int = WIDTH
    height: int = HEIGHT
    top: int = 6
    foot: int = HEIGHT - FOOT


def stacked(columns: Sequence[Column], kinds: Sequence[str], *, unit: str = "") -> Chart:
    """Columns side by side, the kinds of each on top of one another."""
    top, foot = 10, HEIGHT - FOOT
    most = max((sum(column.numbers.values()) for column in columns), default=0)
    ceiling = _ceiling(most)
    each = (WIDTH - LEFT) / max(1, len(columns))
    scale = (foot - top) / ceiling
    drawn = []
    for place, column in enumerate(columns):
        x, below, bars = LEFT + place * each, float(foot), []
        for kind in kinds:
            height = column.numbers.get(kind, 0) * scale
            if height > 0:
                height = max(height, 1.0)  # one failure among thousands is seen, too
                below -= height
                bars.append(_bar(kind, x, max(below, 0), max(each - GAP, 0.5), height))
        drawn.append((round(x, 2), round(each, 2), column.words, bars))
    steps = (0.0, ceiling / 2, ceiling) if most else (0.0,)
    lines = [Mark(LEFT, round(foot - value * scale, 2), _number(value) + unit) for value in steps]
    return Chart(drawn, lines, _times(columns, each))


def _bar(kind: str, x: float, y: float, width: float, height: float) -> Bar:
    return Bar(kind, round(x, 2), round(y, 2), round(width, 2), round(height, 2))


def _ceiling(most: float) -> float:
    """The next round number that halves well: 1, 2, 4, 10, 20, 40, ... or a part of one."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= most * 0.9999)


def _number(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:.3g}"


def _times(columns: Sequence[Column], each: float) -> list[Mark]:
    """Round times below, as many as have room."""
    if not columns:
        return []
    last, first = columns[-1].at, columns[0].at
    span = (last - first) or timedelta(minutes=1)
    steps = [timedelta(minutes=minutes) for minutes in (5, 10, 15, 30, 60, 180, 360, 720, 1440)]
    step = next((step for step in steps if span / step <= 7), timedelta(days=7))
    return [
        Mark(round(LEFT + place * each, 2), HEIGHT - 6, f"{column.at:%H:%M}")
        for place, column in enumerate(columns)
        if (column.at.timestamp() % step.total_seconds()) < 1
        and 15 < place * each < WIDTH - LEFT - 20
    ]

"""What was done lately, as a chart and in figures."""

from collections.abc import Sequence
from datetime import timedelta

import attrs

from ..values.activity import Minute
from ..values.figures import counted, milliseconds
from . import charts
from .charts import Chart, Column
from .rendering import NOTHING

SPANS = {"1h": "hour", "6h": "6 hours", "24h": "day"}
"""Spans that can be looked at, with their words."""

MINUTES = {"1h": (60, 1), "6h": (360, 5), "24h": (1_440, 20)}
"""Of each span its minutes, and how many of them are one column."""

KINDS = ("succeeded", "retrying", "failed")

LATELY = 5
"""Minutes over which the rate is taken."""


@attrs.frozen
class Activity:
    """What a page shows of a ``span``: its ``columns`` and their ``chart``; how many attempts
    ``ended``, at which ``rate`` lately, how many went ``wrong``, how long one took in the
    ``mean``; and all of it in ``words``."""

    span: str
    columns: list[Column]
    chart: Chart
    ended: int
    rate: str
    wrong: str
    mean: str
    words: str


def activity(minutes: Sequence[Minute], span: str) -> Activity:
    """The activity of minutes, the oldest first."""
    each = MINUTES[span][1]
    columns = [_column(minutes[n : n + each]) for n in range(0, len(minutes), each)]
    sums = {kind: sum(getattr(minute, kind) for minute in minutes) for kind in KINDS}
    ended, took = sum(sums.values()), sum(minute.seconds for minute in minutes)
    lately = minutes[-LATELY - 1 : -1] or minutes
    rate = sum(_ended(minute) for minute in lately) / max(1, len(lately))
    share = 100 * (ended - sums["succeeded"]) / ended if ended else 0.0
    return Activity(
        span,
        columns,
        charts.stacked(columns, KINDS),
        ended,
        f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}",
        f"{share:.1f} %" if ended else NOTHING,
        milliseconds(1_000 * took / ended) if ended else NOTHING,
        f"{counted(ended, 'attempt')} in the last {SPANS[span]}, {sums['failed']:,} failed for "
        f"good, {sums['retrying']:,} to be retried",
    )


def _ended(minute: Minute) -> int:
    return sum(getattr(minute, kind) for kind in KINDS)


def _column(minutes: Sequence[Minute]) -> Column:
    numbers = {kind: float(sum(getattr(m, kind) for m in minutes)) for kind in KINDS}
    at = minutes[0].at
    until = at + timedelta(minutes=len(minutes))
    told = ", ".join(
        f"{int(numbers[kind]):,} {word}"
        for kind, word in zip(KINDS, ("succeeded", "to be retried", "failed"), strict=True)
    )
    return Column(at, numbers, f"{at:%H:%M} to {until:%H:%M} UTC: {told}")

"""Moments as people read them, beside the spans, sizes and numbers of ``qml.values.figures``."""

from datetime import datetime

from ..values.figures import counted, milliseconds, size, span

__all__ = ["counted", "exactly", "milliseconds", "size", "span", "when"]


def when(moment: datetime, now: datetime) -> str:
    """A moment seen from ``now``: ``3 min ago``, ``in 5 h``, ``now``."""
    seconds = (moment - now).total_seconds()
    if -1 < seconds < 1:
        return "now"
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def exactly(moment: datetime, now: datetime) -> str:
    """A moment in full, and seen from ``now``."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC, {when(moment, now)}"

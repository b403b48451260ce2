"""What it means when schedules that are due are not issued."""

from collections.abc import Iterator

from ..seam.findings import Finding, Severity
from ..values.figures import counted, span
from .facts import Facts

LONG = 60.0
"""Seconds that a schedule may be due: its servers look every second."""


def schedules(facts: Facts) -> Iterator[Finding]:
    """Whether every schedule that is due is issued, and can be read."""
    found = [*_late(facts), *_unreadable(facts)]
    known = counted(len(facts.schedules), "schedule")
    yield from found or [Finding(Severity.OK, "schedules", f"{known}, none of them late")]


def _late(facts: Facts) -> Iterator[Finding]:
    waits = [
        ((facts.now - at).total_seconds(), one.name)
        for one in facts.schedules
        if (at := one.next_at) is not None
    ]
    late = [wait for wait in waits if wait[0] > LONG]
    if late:
        seconds, name = max(late)
        those = "1 schedule is" if len(late) == 1 else f"{len(late):,} schedules are"
        yield Finding(
            Severity.WARNING,
            "schedules",
            f"{those} due and not issued, the longest for {span(seconds)}: {name}",
            "start a server of the code that declares it, or that has its task; one that is not "
            "wanted any more: qml schedules remove NAME",
        )


def _unreadable(facts: Facts) -> Iterator[Finding]:
    if facts.unreadable:
        yield Finding(
            Severity.ERROR,
            "schedules",
            f"{counted(len(facts.unreadable), 'schedule')} cannot be read and issues nothing, the "
            f"first: {facts.unreadable[0]}",
            "made by a newer qml? Update this one; else remove it and add it anew: "
            "qml schedules remove NAME",
        )

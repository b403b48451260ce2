"""What a run notes while it runs: how far it is, lines of a log, the results of its steps."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from . import jsontext, records
from .errors import ConfigurationError
from .fields import told
from .times import aware_utc

LINES_KEPT = 100
"""Lines of a job's log; older ones are forgotten first."""

LINE_LENGTH = 1_000
"""Characters of one line or message; a longer one is cut."""

LOG_LENGTH = 20_000
"""Characters of a job's log in all: it is written anew whenever it has grown."""


def _moment(moment: object) -> datetime:
    return aware_utc("at", moment)


def _share(progress: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"progress is {value!r}; give a number, such as 0.4 for 40 %")


@attrs.frozen
class Progress:
    """How far a run is: ``at`` what time (UTC); ``fraction``, 0 to 1 by custom; a ``message``."""

    at: datetime = attrs.field(converter=_moment)
    fraction: float = attrs.field(validator=_share)
    message: str = told()


@attrs.frozen
class LogLine:
    """One line of a job's log: ``at`` what time (UTC), in which ``attempt``, the ``text``."""

    at: datetime = attrs.field(converter=_moment)
    attempt: int = attrs.field(validator=attrs.validators.instance_of(int))
    text: str = told()


def _object(notes: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if type(value) is not dict:
        raise ConfigurationError(f"steps is {value!r}; give a dict of results by the step's name")


@attrs.frozen
class Notes:
    """What the runs of a job have noted: the ``progress`` of the last one that told any; the
    last lines of the ``log`` of all, at most 100 of them and 20,000 characters; the ``steps``
    that are done, each with its result, which is JSON, by name in the order in which they ended."""

    progress: Progress | None = None
    log: tuple[LogLine, ...] = ()
    steps: dict[str, Any] = attrs.field(factory=dict, validator=_object)

    def with_progress(self, fraction: float, message: str, at: datetime) -> "Notes":
        """These notes with another progress."""
        return attrs.evolve(self, progress=Progress(at, fraction, shortened(message)))

    def with_lines(self, lines: Iterable[LogLine]) -> "Notes":
        """These notes with more lines, and without the oldest beyond what is kept."""
        return attrs.evolve(self, log=_newest((*self.log, *lines)))


NO_NOTES = Notes()


def _newest(log: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """The last lines, as many as fit the bounds."""
    room = LOG_LENGTH
    for number, line in enumerate(reversed(log[-LINES_KEPT:])):
        room -= len(line.text)
        if room < 0:
            return log[len(log) - number :]
    return log[-LINES_KEPT:]


def shortened(text: str) -> str:
    """A line of at most ``LINE_LENGTH`` characters that any store keeps."""
    text = jsontext.readable(str(text))
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"


def notes_from_dict(data: Mapping[str, Any]) -> Notes:
    """The notes that ``records.to_dict`` wrote."""
    times = {"at": records.moment}
    progress = data["progress"] and Progress(**records.revived(data["progress"], times))
    log = tuple(LogLine(**records.revived(line, times)) for line in data["log"])
    return Notes(progress, log, data["steps"])

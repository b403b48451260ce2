"""When a cron rule runs, in real time, whatever the clocks of its zone do."""

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

import attrs

from .cronfields import Pattern
from .errors import ConfigurationError
from .times import aware_utc

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

APART = timedelta(days=2)
"""More than any two offsets of a zone differ, since ``datetime`` keeps each below a day."""

FIRST = datetime(1, 1, 4, tzinfo=UTC)
"""On the calendar's very first days a local clock, or a look back, might leave the calendar."""


def _tidy(text: object) -> str:
    if not isinstance(text, str):
        raise ConfigurationError(
            f"Cron text is {text!r}; give five fields as text, such as '30 9 * * mon-fri'"
        )
    return " ".join(text.split())


@attrs.frozen
class Cron:
    """A cron rule on the clocks of a time zone; equal to another of the same text and zone.

    ``text``: five fields, minute (0-59), hour (0-23), day of month (1-31), month (1-12, jan-dec)
    and day of week (0-7, sun-sat; 0 and 7 are Sunday), each ``*``, values, lists (``1,15``),
    ranges (``9-17``) and steps (``*/5``, ``9-17/2``); or ``@hourly @daily @midnight @weekly
    @monthly @yearly @annually``. Names and shortcuts in any case. A range does not go round its
    end: ``fri-mon`` is ``fri-sun,mon``. If both day fields are restricted, either is enough;
    one that begins with ``*``, so ``*/2`` too, counts as not restricted (both from Vixie's cron).

    ``timezone``: a name of the IANA database, which must be installed on the machine: systems but
    Windows bring it, and so does ``pip install tzdata``. UTC needs none.

    A rule whose minute and hour have neither ``*`` nor a step runs once for each of its times on
    each of its dates: at the first of two when the clock is put back over it, at the first moment
    after the gap when the clock is put forward over it, and times that so fall on one moment are
    one run. A date that the zone left out, as Samoa did 30 December 2011, has no run, like 30
    February. Any other rule follows real time: it runs whenever the clock reads a time of it.

    Clocks are read once a minute, on the whole minute of UTC; where a zone once had an offset with
    seconds in it, a run is up to 59 seconds later than the clock on the wall.

    ConfigurationError when made, if a field, the zone or the whole rule can never be.
    """

    text: str = attrs.field(converter=_tidy)
    timezone: str = "UTC"
    _pattern: Pattern = attrs.field(init=False, eq=False, repr=False)
    _zone: tzinfo = attrs.field(init=False, eq=False, repr=False)

    @_pattern.default
    def _read_text(self) -> Pattern:
        return Pattern.read(self.text)

    @_zone.default
    def _find_zone(self) -> tzinfo:
        return _zone_of(self.text, self.timezone)

    def __str__(self) -> str:
        return f"{self.text} {self.timezone}"

    def next_after(self, when: datetime) -> datetime | None:
        """The first run strictly later than ``when``, an aware datetime: a whole minute, in UTC.

        None where the calendar ends, after the year 9999; and it begins on 4 January of the year 1.
        """
        moment = max(aware_utc("Cron.next_after when", when), FIRST)
        moment = moment.replace(second=0, microsecond=0)
        try:
            return self._fixed(moment) if self._pattern.fixed else self._real(moment + MINUTE)
        except OverflowError:
            return None

    def _fixed(self, moment: datetime) -> datetime:
        """Every reading up to the present one had its run: the clock has shown it or gone past."""
        runs = map(self._run_of, self._pattern.readings(self._wall(moment)))
        return next(run for run in runs if run is not None and run > moment)

    def _run_of(self, reading: datetime) -> datetime | None:
        """The first whole minute at which the wall shows ``reading``, or has gone past it."""
        moments = [self._moment_of(reading, fold) for fold in (0, 1)]
        for moment in moments:
            if self._wall(moment) == reading:
                return moment
        # In a gap, fold 0 is after it and fold 1 before it (PEP 495).
        after, before = moments
        after = _first(before - MINUTE, after, lambda moment: self._wall(moment) > reading)
        dates = {self._wall(after - MINUTE).date(), self._wall(after).date()}
        return after if reading.date() in dates else None

    def _moment_of(self, reading: datetime, fold: int) -> datetime:
        exact = reading.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)
        whole = exact.replace(second=0, microsecond=0)
        return whole if whole == exact else whole + MINUTE

    def _real(self, moment: datetime) -> datetime:
        while not self._pattern.fits(reading := self._wall(moment)):
            moment = self._closer(moment, reading)
        return moment

    def _closer(self, moment: datetime, reading: datetime) -> datetime:
        """A later moment that has no run of the rule before it."""
        hop = self._until_next(reading - APART) - 2 * APART
        if hop > timedelta():
            # However the clock is set on the way, it reads more than reading - APART and less
            # than the next reading of the rule after that.
            return moment + hop
        after = moment + min(self._until_next(reading), DAY)
        offset = self._offset(moment)
        if self._offset(after) == offset:  # No zone has changed its offset twice within a day.
            return after
        return _first(moment, after, lambda moment: self._offset(moment) != offset)

    def _until_next(self, reading: datetime) -> timedelta:
        return next(self._pattern.readings(reading)) - reading

    def _wall(self, moment: datetime) -> datetime:
        """What the clock reads, to the minute and naive."""
        return moment.astimezone(self._zone).replace(second=0, microsecond=0, tzinfo=None, fold=0)

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self._zone).utcoffset()


def _first(before: datetime, upto: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first minute after ``before`` from which on ``holds`` is true; it is so at ``upto``."""
    minutes = range(1, (upto - before) // MINUTE)
    found = bisect_left(minutes, True, key=lambda count: holds(before + count * MINUTE))
    return before + (1 + found) * MINUTE


def _zone_of(text: str, name: object) -> tzinfo:
    if name == "UTC":  # It needs no database.
        return UTC
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name is that of a folder
        pass
    known = {zone.lower(): zone for zone in available_timezones()}
    alike = get_close_matches(str(name).lower(), known, 1)
    remedy = "give a name such as 'Europe/Berlin'"
    if alike:
        remedy = f"perhaps {known[alike[0]]!r} is meant"
    elif not known:
        remedy = "this machine knows none at all: pip install tzdata, or give 'UTC'"
    raise ConfigurationError(
        f"Cron {text!r}: timezone is {name!r}, and no zone has this name; {remedy}"
    ) from None

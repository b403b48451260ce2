"""``qml stats --watch``: the figures again and again, with what has changed a second."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Protocol, Self

import attrs

from ..storage.selecting import UNFINISHED
from ..storage.storage import Storage
from ..values.errors import StorageUnavailable
from ..values.states import StateKind
from ..values.texts import complain, cut, encodable, plain, say, terminal_width
from ..work.signals import Signals
from . import codes, stats
from .stats import Section, Stats

LOOKS = 0.1
"""Seconds between two looks for a signal."""

SHARE = 5
"""After a look that took long there is none for so many times as long."""


@attrs.frozen
class Look:
    """What a look found. ``at``: seconds of a counter; ``newest``: the place of the newest job."""

    at: float
    newest: int
    stats: Stats


@attrs.frozen
class Rates:
    """Jobs a second between two looks: ``new`` ones, ``ended`` ones (those removed included), and
    ``failed`` ones; ``growth``: by queue, how many more are unfinished."""

    new: float
    ended: float
    failed: float
    growth: dict[str, float]

    def __str__(self) -> str:
        return f"new {self.new:,.1f}/s   ended {self.ended:,.1f}/s   failed {self.failed:,.1f}/s"


def rates(before: Look, after: Look) -> Rates:
    """What went on between two looks. The place of the newest job counts what came, whatever has
    been removed since; what came and is not unfinished now has ended."""
    seconds = max(1e-3, after.at - before.at)
    new = max(0, after.newest - before.newest)
    ended = new - (_unfinished(after.stats) - _unfinished(before.stats))
    failed = _number(after.stats, StateKind.FAILED) - _number(before.stats, StateKind.FAILED)
    old, now = _by_queue(before.stats), _by_queue(after.stats)
    growth = {name: (now.get(name, 0) - old.get(name, 0)) / seconds for name in old | now}
    return Rates(new / seconds, max(0, ended) / seconds, max(0, failed) / seconds, growth)


def _number(found: Stats, kind: StateKind) -> int:
    return found.counts.get(kind, 0)


def _unfinished(found: Stats) -> int:
    return sum(_number(found, kind) for kind in UNFINISHED)


def _by_queue(found: Stats) -> dict[str, int]:
    return {
        queue: sum(numbers[kind.value] or 0 for kind in UNFINISHED)
        for queue, numbers in found.queues.items()
    }


class View(Protocol):
    """Where the figures are shown."""

    def show(self, head: str, sections: list[Section]) -> None:
        """Show them in the place of those before."""
        ...


class Blocks:
    """One block below the other, where nothing can be written over."""

    def __init__(self) -> None:
        self._first = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is left to put right."""

    def show(self, head: str, sections: list[Section]) -> None:
        """See View."""
        if not self._first:
            say()
        self._first = False
        for line in lines_of(head, sections, terminal_width()):
            say(line)
        sys.stdout.flush()


class Screen:
    """A terminal's other screen, which leaves the first as it was."""

    def __enter__(self) -> Self:
        print("\x1b[?1049h\x1b[?25l", end="", flush=True)
        return self

    def show(self, head: str, sections: list[Section]) -> None:
        """See View."""
        size = os.get_terminal_size(sys.stdout.fileno())
        lines = lines_of(head, sections, size.columns)[: size.lines - 1]
        text = "".join(f"{line}\x1b[K\n" for line in lines)
        print(encodable(f"\x1b[H{text}\x1b[J", sys.stdout), end="", flush=True)

    def __exit__(self, *error: object) -> None:
        print("\x1b[?25h\x1b[?1049l", end="", flush=True)


def lines_of(head: str, sections: list[Section], width: int | None) -> list[str]:
    """A view in lines."""
    lines = [cut(head, width) if width else head]
    for section in sections:
        lines += ["", *section.lines(width)]
    return lines


def make_view() -> AbstractContextManager[View]:
    """What fits where the output goes: with ``rich`` on a terminal, if it is installed; else the
    other screen; blocks where it is no terminal, or one that knows no more than lines."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return Blocks()
    try:
        from .rich_view import RichView
    except ImportError:
        return Blocks() if sys.platform == "win32" else Screen()
    return RichView()


def watch(storage: Storage, seconds: float, *, as_json: bool) -> int:
    """Look every so many seconds until a signal, and show what is found, or with ``as_json`` print
    an object a line. An outage is said, and looked through. The exit code."""
    name = storage.driver.describe()
    with ExitStack() as stack:
        signals = stack.enter_context(Signals())
        show = _print_json if as_json else _shown_by(stack.enter_context(make_view()), seconds)
        before: Look | None = None
        while not signals.count:
            begun = time.monotonic()
            try:
                look = _look(storage)
                show(name, look, rates(before, look) if before else None)
                before = look
            except StorageUnavailable as error:
                complain(str(error))
            _sleep(max(seconds, SHARE * (time.monotonic() - begun)), signals)
    return codes.DONE


def _look(storage: Storage) -> Look:
    newest = storage.list(limit=1)
    return Look(time.monotonic(), newest[0].seq or 0 if newest else 0, stats.gather(storage))


def _sleep(seconds: float, signals: Signals) -> None:
    until = time.monotonic() + seconds
    while not signals.count and (left := until - time.monotonic()) > 0:
        time.sleep(min(LOOKS, left))


Show = Callable[[str, Look, Rates | None], None]


def _print_json(name: str, look: Look, change: Rates | None) -> None:
    now = datetime.now(UTC).isoformat()
    rates = None if change is None else attrs.asdict(change)
    fields = {"at": now, "storage": name, **attrs.asdict(look.stats), "rates": rates}
    print(json.dumps(fields), flush=True)


def _shown_by(view: View, seconds: float) -> Show:
    def show(name: str, look: Look, change: Rates | None) -> None:
        head = f"{plain(name)}   {time.strftime('%H:%M:%S')}, every {seconds:g} s"
        view.show(head, list(_sections(look.stats, change)))

    return show


def _sections(found: Stats, change: Rates | None) -> Iterator[Section]:
    states, *others = stats.sections(found, None if change is None else change.growth)
    yield states
    if change is not None:
        yield Section((), [], notes=(str(change),))
    yield from others

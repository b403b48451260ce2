"""``qml stats``: how many jobs there are, what waits where, and who is at work."""

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from ..seam.rows import Page
from ..storage import servers
from ..storage.queues import Queue
from ..storage.servers import SILENT
from ..storage.storage import Storage
from ..values.states import StateKind
from ..values.texts import as_json, plain, say, table, terminal_width
from . import codes, colours, settings, stores
from .figures import span
from .logs import warnings_of_qml
from .settings import Setting

COLUMNS = ("enqueued", "due", "scheduled", "awaiting_retry", "processing")

LATER = (StateKind.SCHEDULED, StateKind.AWAITING_RETRY)

LOOKED_AT = 5_000
"""Scheduled and waiting jobs that are looked at one by one for whether they are due."""

WATCH = Setting(
    "watch",
    "QML_WATCH",
    settings.seconds(0.1, "give seconds, 0.1 or more"),
    None,
    "look again and again, every 2 seconds or as many as are given, until Ctrl-C",
    "SECONDS",
    bare="2",
)


@attrs.frozen
class Stats:
    """What ``qml stats`` shows. ``queues``: by queue, a number for each of COLUMNS; ``due`` counts
    those of scheduled and awaiting_retry whose time has come, None when they are too many."""

    counts: dict[StateKind, int]
    queues: dict[str, dict[str, int | None]]
    servers: list[dict[str, Any]]


@attrs.frozen
class Section:
    """A table, its columns set as ``texts.table`` takes them; ``notes``: lines below it, or instead
    of it when there are no rows."""

    titles: tuple[str, ...]
    rows: list[tuple[object, ...]]
    right: tuple[str, ...] = ()
    flexible: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self, width: int | None) -> list[str]:
        """It in lines for people."""
        if not self.rows:
            return list(self.notes)
        lines = table(
            self.titles,
            self.rows,
            right=self.right,
            flexible=self.flexible,
            width=width,
            paint=colours.cells("STATE"),
        )
        return [*lines, *self.notes]


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    about = "Count the jobs by state and by queue, and list the servers. Changes nothing."
    parser = commands.add_parser("stats", help="count jobs, list servers", description=about)
    settings.add(parser, (stores.URL, stores.JSON, WATCH))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; the exit code."""
    with warnings_of_qml(lambda _: None), stores.open_existing(arguments.url) as storage:
        if arguments.watch is not None:
            from .watching import watch

            return watch(storage, arguments.watch, as_json=arguments.json)
        found = gather(storage)
        name = storage.driver.describe()
    if arguments.json:
        say(as_json({"storage": name, **attrs.asdict(found)}))
        return codes.DONE
    for line in shown(name, found):
        say(line)
    return codes.DONE


def gather(storage: Storage) -> Stats:
    """The figures, each read on its own: work goes on meanwhile."""
    found = storage.queues.list()
    counts = {kind: sum(queue.counts[kind] for queue in found) for kind in StateKind}
    due = _due(storage, sum(counts[kind] for kind in LATER))
    queues = {queue.name: _numbers(queue, due) for queue in found}
    busy = {name: numbers for name, numbers in queues.items() if any(numbers.values())}
    return Stats(counts, busy, servers.alive(storage))


def _numbers(queue: Queue, due: Counter[str] | None) -> dict[str, int | None]:
    """A number for each of COLUMNS."""
    found: dict[str, int | None] = {kind.value: number for kind, number in queue.counts.items()}
    found["due"] = None if due is None else due[queue.name]
    return {column: found[column] for column in COLUMNS}


def _due(storage: Storage, later: int) -> Counter[str] | None:
    if later > LOOKED_AT:
        return None
    rows = storage.driver.scan(Page(states=LATER, limit=LOOKED_AT))
    now = storage.clock.micros()
    return Counter(row.queue for row in rows if row.due_at is not None and row.due_at <= now)


def shown(name: str, stats: Stats) -> list[str]:
    """The figures in lines for people."""
    width = terminal_width()
    lines = [plain(name)]
    for section in sections(stats):
        lines += ["", *section.lines(width)]
    return lines


def sections(stats: Stats, growth: Mapping[str, float] | None = None) -> list[Section]:
    """The figures in tables. ``growth``: jobs a second by which queues grow or shrink."""
    states = [(kind.value, f"{number:,}") for kind, number in stats.counts.items()]
    return [
        Section(("STATE", "JOBS"), list(states), right=("JOBS",)),
        _queues(stats, growth),
        of_servers(stats.servers),
    ]


def _queues(stats: Stats, growth: Mapping[str, float] | None) -> Section:
    if not stats.queues:
        return Section((), [], notes=("Nothing waits and nothing runs.",))
    rows: list[tuple[object, ...]] = [
        (
            queue,
            *("?" if number is None else f"{number:,}" for number in numbers.values()),
            *(() if growth is None else (f"{growth.get(queue, 0.0):+,.1f}",)),
        )
        for queue, numbers in stats.queues.items()
    ]
    numbers = tuple(column.upper().replace("_", " ") for column in COLUMNS)
    numbers += () if growth is None else ("GROWS/S",)
    unknown = any(numbers["due"] is None for numbers in stats.queues.values())
    why = f"? more than {LOOKED_AT:,} jobs wait for their time: not counted one by one"
    notes = (why,) if unknown else ()
    return Section(("QUEUE", *numbers), rows, numbers, ("QUEUE",), notes)


def server_table(servers: list[dict[str, Any]], width: int | None) -> list[str]:
    """Servers in lines for people."""
    return of_servers(servers).lines(width)


def of_servers(servers: list[dict[str, Any]]) -> Section:
    """Servers, with what they say of themselves, which may be anything."""
    rows: list[tuple[object, ...]] = [
        (
            server["name"],
            server.get("threads", "?"),
            server.get("running", "?"),
            _queues_of(server),
            _sign(server["silent_seconds"]) + (", drains" if server.get("draining") else ""),
        )
        for server in servers
    ]
    titles = ("SERVER", "THREADS", "RUNNING", "QUEUES", "LAST SIGN")
    notes = () if rows else ("No server runs.",)
    return Section(titles, rows, ("THREADS", "RUNNING"), ("SERVER", "QUEUES"), notes)


def _queues_of(server: dict[str, Any]) -> str:
    own = server.get("reserved")
    own = own if isinstance(own, dict) else {}
    queues = server.get("queues")
    queues = map(str, queues if isinstance(queues, list) and queues else ["every one"])
    return ", ".join(f"{queue} ({own[queue]})" if queue in own else queue for queue in queues)


def _sign(silent: float) -> str:
    return f"{span(silent)} ago" + (" (silent: was it killed?)" if silent > SILENT else "")

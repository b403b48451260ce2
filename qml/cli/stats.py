"""``qml stats``: how many jobs there are, what waits where, and who is at work."""

import argparse
from collections import Counter
from typing import Any

import attrs

from ..seam.rows import Page
from ..storage import servers
from ..storage.servers import SILENT
from ..storage.storage import Storage
from ..values.states import StateKind
from ..values.texts import as_json, plain, say, table, terminal_width
from . import codes, settings, stores
from .figures import span
from .logs import warnings_of_qml

COLUMNS = ("enqueued", "due", "scheduled", "awaiting_retry", "processing")

LOOKED_AT = 20_000
"""Scheduled and waiting jobs that are looked at one by one for whether they are due."""


@attrs.frozen
class Stats:
    """What ``qml stats`` shows. ``queues``: by queue, a number for each of COLUMNS; ``due`` counts
    those of scheduled and awaiting_retry whose time has come, None when they are too many."""

    counts: dict[StateKind, int]
    queues: dict[str, dict[str, int | None]]
    servers: list[dict[str, Any]]


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    about = "Count the jobs by state and by queue, and list the servers. Changes nothing."
    parser = commands.add_parser("stats", help="count jobs, list servers", description=about)
    settings.add(parser, (stores.URL, stores.JSON))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the figures; the exit code."""
    with warnings_of_qml(lambda _: None), stores.open_existing(arguments.url) as storage:
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
    counts: dict[str, dict[str, int | None]] = {}
    for column in COLUMNS:
        if column != "due":
            page = Page(states=(StateKind(column),))
            for queue, number in storage.driver.count(page, "queue").items():
                counts.setdefault(queue, dict.fromkeys(COLUMNS, 0))[column] = number
    due = _due(storage)
    for queue, numbers in counts.items():
        numbers["due"] = None if due is None else due[queue]
    queues = {queue: counts[queue] for queue in sorted(counts)}
    return Stats(storage.get_job_counts(), queues, servers.alive(storage))


def _due(storage: Storage) -> Counter[str] | None:
    page = Page(states=(StateKind.SCHEDULED, StateKind.AWAITING_RETRY), limit=LOOKED_AT + 1)
    rows = storage.driver.scan(page)
    if len(rows) > LOOKED_AT:
        return None
    now = storage.clock.micros()
    return Counter(row.queue for row in rows if row.due_at is not None and row.due_at <= now)


def shown(name: str, stats: Stats) -> list[str]:
    """The figures in lines for people."""
    width = terminal_width()
    lines = [plain(name), ""]
    states = [(kind.value, f"{number:,}") for kind, number in stats.counts.items()]
    lines += table(("STATE", "JOBS"), states, right=("JOBS",))
    lines += ["", *_queues(stats, width)]
    return [*lines, "", *server_table(stats.servers, width)]


def _queues(stats: Stats, width: int | None) -> list[str]:
    if not stats.queues:
        return ["Nothing waits and nothing runs."]
    rows = [
        (queue, *("?" if number is None else f"{number:,}" for number in numbers.values()))
        for queue, numbers in stats.queues.items()
    ]
    numbers = tuple(column.upper().replace("_", " ") for column in COLUMNS)
    lines = table(("QUEUE", *numbers), rows, right=numbers, flexible=("QUEUE",), width=width)
    if any(numbers["due"] is None for numbers in stats.queues.values()):
        lines.append(f"? more than {LOOKED_AT:,} jobs wait for their time: not counted one by one")
    return lines


def server_table(servers: list[dict[str, Any]], width: int | None) -> list[str]:
    """Servers in lines, with what they say of themselves, which may be anything."""
    if not servers:
        return ["No server runs."]
    rows = [
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
    right = ("THREADS", "RUNNING")
    return table(titles, rows, right=right, flexible=("SERVER", "QUEUES"), width=width)


def _queues_of(server: dict[str, Any]) -> str:
    own = server.get("reserved")
    own = own if isinstance(own, dict) else {}
    queues = server.get("queues")
    queues = map(str, queues if isinstance(queues, list) and queues else ["every one"])
    return ", ".join(f"{queue} ({own[queue]})" if queue in own else queue for queue in queues)


def _sign(silent: float) -> str:
    return f"{span(silent)} ago" + (" (silent: was it killed?)" if silent > SILENT else "")

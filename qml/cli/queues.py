"""``qml queues``: list, pause and resume queues."""

import argparse
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..storage.queues import Queue, Queues
from ..values.states import FINAL, StateKind
from ..values.texts import as_json, complain, plain, say, table, terminal_width
from . import codes, stores
from .figures import when
from .logs import warnings_of_qml
from .verbs import add_group, add_verb

GIVEN = (stores.URL, stores.JSON)


def add_to(commands: Any) -> None:
    """Add the commands to ``qml``."""
    about = "list the queues and what is in them, pause and resume them"
    verbs = add_group(commands, "queues", about, listed, GIVEN)
    add_verb(verbs, "list", "all queues that have jobs or are paused", listed, GIVEN)
    for name, about, command in (
        ("pause", "have no server claim a job of these queues, until they are resumed", paused),
        ("resume", "go on with these queues", resumed),
    ):
        verb = add_verb(verbs, name, about, command, (stores.URL,))
        verb.add_argument("names", metavar="NAME", nargs="+")


def listed(arguments: argparse.Namespace) -> int:
    """Print all queues."""
    with warnings_of_qml(complain), stores.open_existing(arguments.url) as storage:
        found, now = storage.queues.list(), storage.now()
    if arguments.json:
        say(as_json([_as_dict(queue) for queue in found]))
    elif not found:
        say("No queue: there is no job, and none is paused.")
    else:
        for line in _table(found, now):
            say(line)
    return codes.DONE


def _as_dict(queue: Queue) -> dict[str, Any]:
    since = queue.paused_at and queue.paused_at.isoformat()
    counts = {kind.value: number for kind, number in queue.counts.items()}
    return {"name": queue.name, "paused_at": since, "counts": counts}


def _table(found: list[Queue], now: datetime) -> list[str]:
    waiting = (StateKind.ENQUEUED, StateKind.SCHEDULED, StateKind.AWAITING_RETRY)
    rows = [
        (
            queue.name,
            *(f"{queue.counts[kind]:,}" for kind in (*waiting, StateKind.PROCESSING)),
            f"{sum(queue.counts[kind] for kind in FINAL):,}",
            f"paused {when(queue.paused_at, now)}" if queue.paused_at else "",
        )
        for queue in found
    ]
    titles = ("QUEUE", "ENQUEUED", "SCHEDULED", "TO RETRY", "RUNNING", "ENDED", "")
    numbers = titles[1:-1]
    return table(titles, rows, right=numbers, flexible=("QUEUE",), width=terminal_width())


def paused(arguments: argparse.Namespace) -> int:
    """Pause the queues that are named."""

    def pause(queues: Queues, name: str) -> str:
        queues.pause(name)
        return "paused; what runs goes on"

    return _each(arguments, pause)


def resumed(arguments: argparse.Namespace) -> int:
    """Go on with the queues that are named."""
    return _each(
        arguments,
        lambda queues, name: "goes on" if queues.resume(name) else "was not paused",
    )


def _each(arguments: argparse.Namespace, change: Callable[[Queues, str], str]) -> int:
    with warnings_of_qml(complain), stores.open_existing(arguments.url) as storage:
        for name in dict.fromkeys(arguments.names):
            say(f"{plain(name)}  {change(storage.queues, name)}")
    return codes.DONE

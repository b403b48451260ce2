"""``qml bench``: a few figures of a store of the user's own, and what limits them."""

import argparse
import os
import textwrap
import time
from collections.abc import Iterator
from typing import Any

import attrs

from ..values.errors import ConfigurationError
from ..values.texts import as_json, plain, say, terminal_width
from ..work.progress import Progress
from . import codes, settings, stores
from .benching import AT_ONCE, Figures, bench
from .ending import interrupted_by_sigterm
from .logs import warnings_of_qml
from .settings import Setting

SETTINGS = (
    Setting(
        "seconds",
        "QML_SECONDS",
        settings.seconds(0.1, "give seconds, 0.1 or more"),
        6.0,
        "about how long (6)",
        "N",
    ),
    Setting("threads", "QML_THREADS", settings.number(1), 8, "threads of the server (8)", "N"),
    stores.JSON,
)

WIDEST = 100

ABOUT = """\
Measure a store: how many jobs a second it takes and gives, how soon a job
begins, and what limits that. It happens beside what is stored: in another file
of the same folder, another schema, another prefix, which is removed at the end.
The jobs do nothing, so your own run at most this fast. It keeps the store busy."""


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    parser = commands.add_parser("bench", help="measure a store of yours", description=ABOUT)
    parser.add_argument("url", metavar="URL", nargs="?", help=f"{stores.URL.says} [QML_URL]")
    settings.add(parser, SETTINGS)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; the exit code."""
    url = stores.URL.value(arguments.url, os.environ)
    if url is None:
        raise ConfigurationError("which store? Give qml bench sqlite:///jobs.db, or set QML_URL")
    line, begun = Progress(), time.monotonic()

    def tell(part: str) -> None:
        line.show(f"{time.monotonic() - begun:4.0f} s  {part}")

    config = stores.stored(url)
    try:
        with warnings_of_qml(lambda _: None), interrupted_by_sigterm():
            found = bench(config, arguments.seconds, arguments.threads, tell)
    finally:
        line.clear()
    name = stores.name_of(config)
    if arguments.json:
        say(as_json({"storage": name, **attrs.asdict(found), "limits": list(limits(found))}))
    else:
        for text in shown(name, found):
            say(text)
    return codes.DONE


def shown(name: str, found: Figures) -> Iterator[str]:
    """The figures for people, and what they mean."""
    yield plain(f"beside {name}")
    yield ""
    threads = "1 thread" if found.threads == 1 else f"{found.threads} threads"
    for label, figure in (
        ("enqueue, one by one", f"{found.enqueue_per_second:10,.0f} jobs/s"),
        (f"enqueue_many, {AT_ONCE} at once", f"{found.enqueue_many_per_second:10,.0f} jobs/s"),
        (
            f"claim and finish, {AT_ONCE} at once",
            f"{found.claim_and_finish_per_second:10,.0f} jobs/s",
        ),
        (f"a server of {threads}", f"{found.drain_per_second:10,.0f} jobs/s"),
        ("from enqueue to start, half", f"{found.latency_p50_ms:10.1f} ms"),
        ("from enqueue to start, 99 %", f"{found.latency_p99_ms:10.1f} ms"),
    ):
        yield f"{label:<32}{figure}"
    yield ""
    width = min(WIDEST, terminal_width() or WIDEST)
    for text in limits(found):
        yield from textwrap.wrap(text, width)


def limits(found: Figures) -> Iterator[str]:
    """What the figures are limited by, in sentences."""
    each = 1e3 / found.enqueue_per_second
    if found.flush_ms is not None:
        share = min(1.0, found.flush_ms / each)
        yield (
            f"A flush of this disk takes {found.flush_ms:.2f} ms, so one thread that waits for "
            f"each is bound to {1e3 / found.flush_ms:,.0f} a second; of enqueue, one by one, it is "
            f"{100 * share:.0f} %."
        )
    else:
        share = min(1.0, found.round_trip_ms / each)
        yield (
            f"A round trip to the store takes {found.round_trip_ms:.2f} ms; of enqueue, one by "
            f"one, it is {100 * share:.0f} %, and the store's own work and Python the rest."
        )
    if share > 0.3:
        yield "enqueue_many, and several threads at once, share the wait."
    job = 1e6 / found.drain_per_second
    yield (
        f"This server spends {job:,.0f} us on a job that does nothing. Tasks that take much longer "
        f"than {job * found.threads / 1e3:.1f} ms are limited by themselves, not by the queue."
    )

"""``qml doctor``: what an operator should know about a store, and what to do about it."""

import argparse
import os
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..seam.findings import Finding, Findings, Severity
from ..storage import health
from ..storage.connect import connect
from ..storage.urls import Config
from ..values import urls
from ..values.config import PostgresConfig, RedisConfig, SqliteConfig
from ..values.errors import ConfigurationError, StorageError
from ..values.figures import counted
from ..values.texts import as_json, plain, say, terminal_width
from . import codes, colours, settings, stores
from .logs import warnings_of_qml
from .settings import Setting

DEEP = Setting("deep", "QML_DEEP", settings.switch, False, "read every job, which may take long")

WORD = {
    Severity.OK: "ok",
    Severity.NOTE: "note",
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
}

CODE = {
    Severity.OK: codes.DONE,
    Severity.NOTE: codes.DONE,
    Severity.WARNING: codes.WARNED,
    Severity.ERROR: codes.BROKEN,
}

UNHEARD = ("does not answer", "see that it runs")
"""What the errors of drivers say when a server is away, or silent."""

NOBODY_THERE = "see whether it runs there, and whether host and port in the URL are right"

NARROWEST = 30
"""Columns for a fact, however narrow the terminal."""

ABOUT = """\
Examine a store: whether it answers, keeps what it is given, tells the right
time, and whether servers do the work. Each line has a severity, a topic and a
fact, and below it what to do. Changes nothing; makes nothing that is not there.

error: a promise does not hold, or qml cannot work there. warning: a promise is
weaker than it could be. note: worth knowing."""


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    parser = commands.add_parser("doctor", help="examine a store", description=ABOUT)
    parser.add_argument("url", metavar="URL", nargs="?", help=f"{stores.URL.says} [QML_URL]")
    settings.add(parser, (stores.JSON, DEEP))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; the exit code tells the worst."""
    url = stores.URL.value(arguments.url, os.environ)
    if url is None:
        raise ConfigurationError("which store? Give qml doctor sqlite:///jobs.db, or set QML_URL")
    config = stores.stored(url)
    with warnings_of_qml(lambda _: None):
        found = examined(config, deep=arguments.deep)
    if arguments.json:
        say(as_json(as_dict(config, found)))
    else:
        for line in shown(config, found, terminal_width()):
            say(line)
    return code_of(found)


def examined(config: Config, *, deep: bool = False) -> Findings:
    """The findings about the store of a configuration, the worst first."""
    try:
        with connect(stores.for_looking(config)) as storage:
            most = getattr(config, "max_connections", None)
            return health.examine(storage, deep=deep, connections=most)
    except StorageError as error:
        return health.worst_first([_unusable(config, error), *_place(config)])


def _unusable(config: Config, error: StorageError) -> Finding:
    if not isinstance(config, PostgresConfig | RedisConfig):
        return health.unusable(error)
    found = health.unusable(error, NOBODY_THERE if _is_unheard(error) else "")
    # The driver hides passwords itself; but what it never met, such as a new message of its
    # library, must not be the first to show one.
    return found._replace(fact=urls.without_passwords(found.fact, _url(config)))


def _is_unheard(error: StorageError) -> bool:
    """Whether nobody answered. What a server says no to is told with what to do about that."""
    return any(words in str(error) for words in UNHEARD)


def _place(config: Config) -> Findings:
    """Why a file cannot be used may lie in where it is: what is wrong there."""
    if not isinstance(config, SqliteConfig):
        return []
    from ..drivers.sqlite import place

    found = place.look(config.path)
    return [finding for finding in place.judge(found) if finding.severity] if found else []


def _url(config: PostgresConfig | RedisConfig) -> str:
    return config.url if isinstance(config, RedisConfig) else config.database_url


def worst_of(found: Findings) -> Severity:
    """The severity of the worst finding."""
    return max((finding.severity for finding in found), default=Severity.OK)


def code_of(found: Findings) -> int:
    """The exit code: a store that cannot be asked has the code that it has for every command."""
    errors = {finding.topic for finding in found if finding.severity is Severity.ERROR}
    unusable = errors & {"reachability", "schema"}
    return codes.UNAVAILABLE if unusable else CODE[worst_of(found)]


def as_dict(config: Config, found: Findings) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "storage": stores.name_of(config),
        "verdict": WORD[worst_of(found)],
        "findings": [{**f._asdict(), "severity": WORD[f.severity]} for f in found],
    }


def shown(config: Config, found: Findings, width: int | None) -> Iterator[str]:
    """The findings in lines for people, the verdict last."""
    yield plain(stores.name_of(config))
    yield ""
    longest = max(len(finding.topic) for finding in found)
    for finding in found:
        word = WORD[finding.severity]
        # What is bad stands out without colours.
        word = word.upper() if finding.severity >= Severity.WARNING else word
        gap = " " * (8 + 1 + longest + 2)
        head = f"{colours.word(f'{word:<8}')} {finding.topic:<{longest}}  "
        for text, mark in ((finding.fact, ""), (finding.remedy, "-> ")):
            for line in _wrapped(text, mark, width and width - len(gap)):
                yield head + line
                head = gap
    yield ""
    yield verdict(found)


def _wrapped(text: str, mark: str, width: int | None) -> list[str]:
    text = plain(text)
    if not text or width is None:
        return [mark + text] if text else []
    return textwrap.wrap(
        text,
        max(width, NARROWEST),
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )


def verdict(found: Findings) -> str:
    """The last line: the worst severity, and how many of each there are that say something."""
    number = Counter(finding.severity for finding in found)
    worth = [severity for severity in sorted(number, reverse=True) if severity > Severity.OK]
    parts = [counted(number[severity], WORD[severity]) for severity in worth]
    return f"Verdict: {WORD[worst_of(found)]}" + (f" ({', '.join(parts)})" if parts else "")

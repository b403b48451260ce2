"""Many jobs at once: the filter that names them, their number first, and a yes before anything."""

import argparse
from typing import Any

from ..storage.storage import Storage
from ..values import jsontext
from ..values.errors import ConfigurationError, SerializationError
from ..values.selection import JobFilter
from ..values.states import StateKind
from ..values.texts import say
from . import verbs
from .figures import counted
from .settings import Setting, switch

YES = Setting("yes", "QML_YES", switch, False, "do it, without a question")

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Give a command the flags that name jobs."""
    parser.add_argument(
        "--state",
        action="append",
        choices=[kind.value for kind in StateKind],
        help=f"only this one of {', '.join(StateKind)}; may be given several times",
        metavar="STATE",
    )
    parser.add_argument("--queue", metavar="QUEUE", help="only of this queue")
    parser.add_argument("--method", metavar="METHOD", help="only of this task")
    parser.add_argument("--batch", metavar="BATCH", help="only of this batch")
    parser.add_argument(
        "--older-than", metavar="AGE", help="only enqueued so long ago: 90s, 15m, 12h, 7d, 2w"
    )
    parser.add_argument("--newer-than", metavar="AGE", help="only enqueued less long ago")
    parser.add_argument("--text", metavar="TEXT", help="only with this text in an argument")
    parser.add_argument(
        "--metadata",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="only with this metadata, its value JSON or text; may be given several times",
    )


def filter_of(arguments: argparse.Namespace) -> JobFilter | None:
    """The filter that was given; None = none was."""
    given = (arguments.state, arguments.queue, arguments.method, arguments.batch, arguments.text)
    ages = (arguments.older_than, arguments.newer_than)
    if (*given, *ages) == (None,) * 7 and not arguments.metadata:
        return None  # an empty text, as of a variable that is not set, is one that was given
    return JobFilter(
        states=arguments.state,
        queue=arguments.queue,
        method=arguments.method,
        batch=arguments.batch,
        older_than=_age_or_none("--older-than", arguments.older_than),
        newer_than=_age_or_none("--newer-than", arguments.newer_than),
        text=arguments.text,
        metadata=dict(_item(text) for text in arguments.metadata),
    )


def _age_or_none(flag: str, text: str | None) -> float | None:
    return None if text is None else age(text, flag)


def age(text: str, flag: str = "--older-than") -> float:
    """Seconds: ``90s``, ``15m``, ``12h``, ``7d``, ``2w``, or a plain number of them."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e11:
        raise ConfigurationError(f"{flag} is {text!r}; give 90s, 15m, 12h, 7d or 2w")
    return seconds


def _item(text: str) -> tuple[str, Any]:
    name, given, value = text.partition("=")
    if not given or not name:
        raise ConfigurationError(f"--metadata is {text!r}; give NAME=VALUE, such as user=7")
    try:
        return name, jsontext.loads(value)
    except SerializationError:
        return name, value


def agreed(arguments: argparse.Namespace, storage: Storage, where: JobFilter, to_do: str) -> int:
    """How many jobs the filter names, once it is agreed to ``to_do`` with them; else 0. Without
    ``--yes`` a person is asked; where there is none it is a ConfigurationError."""
    number = storage.count(where)
    jobs = counted(number, "job")
    if not number:
        say("No job.")
        return 0
    nobody_to_ask = f"{jobs} to {to_do}; nothing is done yet. To go on, give --yes"
    agrees = verbs.agreed(arguments, f"{to_do.capitalize()} {jobs}?", nobody_to_ask)
    return number if agrees else 0

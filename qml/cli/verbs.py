"""What the commands with verbs, such as ``qml queues pause``, share: parsers, and asking."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..values.errors import ConfigurationError, QmlError, StorageUnavailable
from ..values.texts import complain, plain, say
from . import codes, settings
from .settings import Setting

Command = Callable[[argparse.Namespace], int]


def add_group(
    commands: Any, name: str, about: str, listed: Command, given: Sequence[Setting]
) -> Any:
    """Add a command whose verbs follow, and which alone lists; what to add them to."""
    parser = commands.add_parser(name, help=about, description=f"{_sentence(about)}.")
    settings.add(parser, given)
    parser.set_defaults(command=listed)
    return parser.add_subparsers(metavar="COMMAND", required=False)


def add_verb(
    verbs: Any, name: str, about: str, command: Command, given: Sequence[Setting]
) -> argparse.ArgumentParser:
    """Add a verb with these settings."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=about, description=f"{_sentence(about)}."
    )
    settings.add(parser, given)
    parser.set_defaults(command=command)
    return parser


def _sentence(about: str) -> str:
    return about[0].upper() + about[1:]


def agreed(arguments: argparse.Namespace, question: str, nobody_to_ask: str) -> bool:
    """Whether a person, or ``--yes``, agrees. Where there is nobody to ask it is a
    ConfigurationError: ``nobody_to_ask`` says what to give."""
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigurationError(nobody_to_ask)
    print(f"{plain(question)} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def each(names: Iterable[str], change: Callable[[str], str]) -> int:
    """Change each that is named, and say what ``change`` returns; a refusal does not stop the
    others. The exit code."""
    code = codes.DONE
    for name in dict.fromkeys(names):
        try:
            done = change(name)
        except StorageUnavailable:
            raise
        except QmlError as error:
            complain(str(error))
            code = codes.FAILED
        else:
            say(f"{plain(name)}  {plain(done)}")
    return code

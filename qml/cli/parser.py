"""The commands with their flags and help."""

import argparse
import re
from typing import Any, NoReturn

from .._version import __version__
from . import (
    bench,
    codes,
    completion,
    copy,
    dashboard,
    demo,
    doctor,
    jobs,
    locks,
    prove,
    queues,
    run,
    schedules,
    servers,
    stats,
)

COMMANDS = (
    *(run, stats, servers, jobs, queues, schedules, locks),
    *(dashboard, doctor, prove, bench, copy, demo, completion),
)

FORMAT = argparse.RawDescriptionHelpFormatter


class Parser(argparse.ArgumentParser):
    """Flags count only in full, so that a new one never changes what an old command line means."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": FORMAT, "allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, but not a URL's password among them."""
        hidden = re.sub(r"://\S*@", "://***@", message)
        super().error(re.sub(r"(password=)[^&\s]*", r"\1***", hidden))


def make_parser(prog: str = "qml") -> argparse.ArgumentParser:
    """The parser of ``qml``; ``command`` of what it parses takes that and returns a code."""
    parser = Parser(
        prog=prog,
        description="Background jobs in threads, kept in SQLite, claimed once.",
        epilog=_epilog(),
    )
    parser.add_argument("--version", action="version", version=f"qml {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_to(commands)
    return parser


def _epilog() -> str:
    lines = [f"  {code:<4} {meaning}" for code, meaning in codes.MEANING.items()]
    return "\n".join(
        (
            "A flag may be given by the environment variable in brackets beside it in the",
            "help of its command; the flag decides where both are given. For example:",
            "",
            "  qml run myapp:jobs --threads 4",
            "  QML_URL=sqlite:///jobs.db qml jobs list --state failed",
            "",
            "exit codes:",
            *lines,
        )
    )

"""The entry: arguments in, exit code out, every error of qml one sentence on stderr."""

import contextlib
import os
import sys

from ..values.errors import (
    ConfigurationError,
    InvalidArguments,
    JobNotFound,
    MigrationError,
    QmlError,
    StorageUnavailable,
)
from . import codes, settings
from .parser import make_parser
from .texts import complain


def main(argv: list[str] | None = None) -> int:
    """Carry out ``qml`` with these arguments (default: the process's own); the exit code.

    The codes are those of ``qml --help``. No error of qml, and no Ctrl-C, leaves it as an exception.
    """
    try:
        code = _main(argv)
        sys.stdout.flush()
        return code
    except QmlError as error:
        complain(str(error))
        return code_of(error)
    except KeyboardInterrupt:
        complain("interrupted")
        return codes.INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return codes.NO_READER


def _main(argv: list[str] | None) -> int:
    try:
        arguments = make_parser().parse_args(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help
        return end.code if isinstance(end.code, int) else codes.USAGE
    settings.fill(arguments)
    code: int = arguments.command(arguments)
    return code


def code_of(error: QmlError) -> int:
    """The exit code that stands for an error."""
    if isinstance(error, ConfigurationError | InvalidArguments):
        return codes.USAGE
    unusable = isinstance(error, StorageUnavailable | MigrationError)
    if unusable or (error.job_id is None and not isinstance(error, JobNotFound)):
        return codes.UNAVAILABLE
    return codes.FAILED


def _forget_stdout() -> None:
    """Python would complain once more when it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

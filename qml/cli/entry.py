"""The entry: arguments in, exit code out, every error of qml one sentence on stderr."""

import contextlib
import os
import sys

from ..values.errors import (
    ConfigurationError,
    InvalidArguments,
    QmlError,
    StorageUnavailable,
)
from ..values.texts import complain
from . import codes, settings
from .parser import make_parser


def main(argv: list[str] | None = None) -> int:
    """Carry out ``qml`` with these arguments (default: the process's own); the exit code.

    The codes are those of ``qml --help``. Neither an error of qml nor Ctrl-C leaves it as an
    exception.
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
    arguments.own_process = argv is None  # and nobody's call, who would not want it to begin anew
    code: int = arguments.command(arguments)
    return code


def code_of(error: QmlError) -> int:
    """The exit code that stands for an error."""
    if isinstance(error, ConfigurationError | InvalidArguments):
        return codes.USAGE
    about_a_job = error.job_id is not None and not isinstance(error, StorageUnavailable)
    return codes.FAILED if about_a_job else codes.UNAVAILABLE


def _forget_stdout() -> None:
    """Python would complain once more when it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

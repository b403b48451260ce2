"""The entry: arguments in, exit code out, every error of qml one sentence on stderr."""

import contextlib
import errno
import os
import sys

from ..values.errors import (
    ConfigurationError,
    InvalidArguments,
    QmlError,
    SerializationError,
    StorageUnavailable,
)
from ..values.texts import complain
from . import codes, settings
from .inside import Inside
from .parser import make_parser

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the system says where an output goes to a file that cannot take it."""


def main(argv: list[str] | None = None, inside: Inside | None = None) -> int:
    """Carry out ``qml`` with these arguments (default: the process's own); the exit code.
    ``inside``: the app whose command line it is; None = it is qml's own.

    The codes are those of ``qml --help``. Neither an error of qml nor Ctrl-C leaves it as an
    exception.
    """
    try:
        _have_streams()
        code = _main(argv, inside)
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
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _forget_stdout()
        complain(f"what was to be printed cannot be written: {error.strerror}")
        return codes.FAILED


def _main(argv: list[str] | None, inside: Inside | None) -> int:
    try:
        arguments = make_parser(inside.prog if inside else "qml").parse_args(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help
        return end.code if isinstance(end.code, int) else codes.USAGE
    if inside is not None:
        inside.put_into(arguments)
    settings.fill(arguments)
    # And nobody's call, who would not want it to begin anew.
    arguments.own_process = inside.own_process if inside else argv is None
    code: int = arguments.command(arguments)
    return code


def code_of(error: QmlError) -> int:
    """The exit code that stands for an error."""
    if isinstance(error, ConfigurationError | InvalidArguments):
        return codes.USAGE
    if isinstance(error, SerializationError) and error.job_id is None:
        return codes.USAGE  # what was given is no text, or no JSON
    about_a_job = error.job_id is not None and not isinstance(error, StorageUnavailable)
    return codes.FAILED if about_a_job else codes.UNAVAILABLE


def _have_streams() -> None:
    """Who has closed an output, or has none (``pythonw``), does not want what goes there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _forget_stdout() -> None:
    """Python would complain once more when it flushes at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

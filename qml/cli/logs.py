"""Logging of the command line: set up for the time of a command, taken away after it."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence

from ..values.texts import encodable, lines_of, say
from ..work import joblog, runlog
from ..work.jsonlog import JsonFormatter
from . import settings
from .settings import Setting


class Lines(logging.Formatter):
    """One line a message, with the time, and the job in which it was written, if any; what a
    message says cannot steer the terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self.default_msec_format = "%s.%03d"

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The first line."""
        job = joblog.where(record)
        if job and record.name != runlog.log.name:  # which names it itself
            record.message = f"[{job}] {record.message}"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the lines of a traceback below it."""
        first, *more = lines_of(super().format(record))
        return encodable("\n".join([first, *(f"    {line}" for line in more)]), sys.stderr)


FORMATS: dict[str, Callable[[], logging.Formatter]] = {"plain": Lines, "json": JsonFormatter}

SETTINGS = (
    Setting(
        "log_format",
        "QML_LOG_FORMAT",
        settings.one_of(*FORMATS),
        "plain",
        "plain lines for people, or json: one object a line (plain)",
        "FORMAT",
    ),
    Setting(
        "log_level",
        "QML_LOG_LEVEL",
        settings.one_of("debug", "info", "warning", "error"),
        "info",
        "the least that is logged: debug, info, warning or error (info)",
        "LEVEL",
    ),
)


@contextlib.contextmanager
def logging_to_stderr(form: str = "plain", level: str = "info") -> Iterator[None]:
    """This level and above to stderr, the app's own included, in one of ``FORMATS``; another
    set-up by the app takes over."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def announce(lines: Sequence[str], form: str) -> None:
    """Say on stderr what is about to run, in ``lines``; as one log record where the log is not for
    people."""
    if form == "plain":
        for line in lines:
            say(line, to=sys.stderr)
    else:
        logging.getLogger("qml.cli").info("%s", "\n".join(lines).strip())


class _Hand(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != runlog.log.name:
            self._tell(record.getMessage())


@contextlib.contextmanager
def warnings_of_qml(tell: Callable[[str], None]) -> Iterator[None]:
    """``tell`` gets qml's own warnings, and Python does not print them besides. What became of jobs
    each command says in its own way."""
    logger = logging.getLogger("qml")
    hand = _Hand(tell)
    logger.addHandler(hand)
    try:
        yield
    finally:
        logger.removeHandler(hand)

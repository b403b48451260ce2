"""What a task raises to say what should become of its job."""

from ..storage import checks
from ..values.errors import ConfigurationError


class Retry(Exception):
    """This attempt failed; try again after ``delay`` seconds (None: the retry policy's delay), if
    attempts are left. ``raise Retry(delay=60) from error`` keeps the cause's traceback."""

    def __init__(self, message: str = "", *, delay: float | None = None) -> None:
        _check_message(message)
        super().__init__(message or "the task asked for a retry")
        self.delay = None if delay is None else _seconds("Retry delay", delay)


class Discard(Exception):
    """The job is not needed any more: it ends Deleted, with ``reason``."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "discarded by its task")
        self.reason = str(self)


class Snooze(Exception):
    """Not now: run again after ``delay`` seconds. It does not count as an attempt."""

    def __init__(self, delay: float) -> None:
        self.delay = _seconds("Snooze delay", delay)
        super().__init__(f"snoozed for {self.delay:g} s")


for _raised in (Retry, Discard, Snooze):
    _raised.__module__ = "qml"  # as users import it, and as tracebacks should name it
del _raised


def _check_message(message: object) -> None:
    if isinstance(message, int | float):
        raise ConfigurationError(
            f"Retry message is {message!r}; give a text, and seconds as delay={message!r}"
        )


def _seconds(name: str, delay: float) -> float:
    checks.delay(name, delay)
    return float(delay)

"""Silence for searches: what they do to servers and schedules would fill any log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

LOGS = ("qml.server", "qml.jobs", "qml.schedules")


@contextmanager
def quiet() -> Iterator[None]:
    """Servers under fault would warn all the time."""
    logs = [logging.getLogger(name) for name in LOGS]
    before = [log.disabled for log in logs]
    for log in logs:
        log.disabled = True
    try:
        yield
    finally:
        for log, disabled in zip(logs, before, strict=True):
            log.disabled = disabled

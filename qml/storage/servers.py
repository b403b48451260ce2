"""Who is at work: each server writes a small record now and then, and removes it at its end."""

from typing import Any

from ..seam.rows import Verdict
from ..values import jsontext
from ..values.errors import SerializationError
from .storage import Storage

PREFIX = "server/"

SILENT = 35.0
"""Seconds after its last sign (servers give one every 10) that a server counts as alive."""

FORGOTTEN_AFTER = 600_000_000
"""Microseconds after which a server that gave no sign is struck off."""


def beat(storage: Storage, name: str, facts: dict[str, Any]) -> None:
    """Write that server ``name`` lives, with ``facts`` about it; strike off those long silent."""
    now = storage.clock.micros()
    driver = storage.driver
    known = driver.read(PREFIX + name)
    body = jsontext.dumps({**facts, "seen_at": now})
    # STALE, here and below: another was faster; the next beat puts it right.
    driver.write(PREFIX + name, body, known.version if known else 0)
    for record in driver.list(PREFIX):
        if now - _facts(record.body).get("seen_at", 0) > FORGOTTEN_AFTER:
            driver.write(record.name, None, record.version)


def leave(storage: Storage, name: str) -> None:
    """Strike server ``name`` off."""
    known = storage.driver.read(PREFIX + name)
    if known is not None:
        verdict = storage.driver.write(PREFIX + name, None, known.version)
        if verdict is Verdict.STALE:
            leave(storage, name)


def alive(storage: Storage) -> list[dict[str, Any]]:
    """The servers known, each with its facts, ``name`` and ``silent_seconds``."""
    now = storage.clock.micros()
    found = []
    for record in storage.driver.list(PREFIX):
        facts = _facts(record.body)
        silent = (now - facts.pop("seen_at", 0)) / 1e6
        found.append({"name": record.name.removeprefix(PREFIX), **facts, "silent_seconds": silent})
    return found


def _facts(body: str) -> dict[str, Any]:
    try:
        facts = jsontext.loads(body)
    except SerializationError:
        return {}
    return facts if isinstance(facts, dict) else {}

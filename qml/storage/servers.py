"""Who is at work: each server writes a small record now and then, and removes it at its end."""

from typing import Any

from ..seam.rows import Verdict
from ..values import jsontext
from ..values.errors import SerializationError
from .storage import Storage

PREFIX = "server/"

DRAIN = "drain/"
"""Before the name of a server that is asked to drain, in the name of a record."""

SILENT = 35.0
"""Seconds after its last sign (servers give one every 10) that a server counts as alive."""

FORGOTTEN_AFTER = 600_000_000
"""Microseconds after which a server that gave no sign is struck off."""


def beat(storage: Storage, name: str, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Write that server ``name`` lives, with ``facts`` about it; strike off those long silent. What
    ``alive`` tells of all that are known, but how long they were silent."""
    now = storage.clock.micros()
    driver = storage.driver
    known = driver.read(PREFIX + name)
    body = jsontext.dumps({**facts, "seen_at": now})
    # STALE, here and below: another was faster; the next beat puts it right.
    driver.write(PREFIX + name, body, known.version if known else 0)
    orders = driver.list(DRAIN)  # before the servers: one that is asked was there before
    listed = {record.name.removeprefix(PREFIX): record for record in driver.list(PREFIX)}
    told = {each: _facts(record.body) for each, record in listed.items()}
    for each, record in listed.items():
        if now - told[each].get("seen_at", 0) > FORGOTTEN_AFTER:
            driver.write(record.name, None, record.version)
    for order in orders:
        if order.name.removeprefix(DRAIN) not in listed:
            driver.write(order.name, None, order.version)
    return [{**facts, "name": each} for each, facts in told.items()]


def leave(storage: Storage, name: str) -> None:
    """Strike server ``name`` off, and what it was asked to do."""
    for prefix in (PREFIX, DRAIN):
        known = storage.driver.read(prefix + name)
        if known is not None:
            verdict = storage.driver.write(prefix + name, None, known.version)
            if verdict is Verdict.STALE:
                leave(storage, name)


def ask_to_drain(storage: Storage, name: str) -> bool:
    """Ask server ``name`` to claim nothing more and to end when what runs has ended; it sees that
    within a second or so. Asking again changes nothing. False: no such server is known."""
    driver = storage.driver
    if driver.read(PREFIX + name) is None:
        return False
    if driver.read(DRAIN + name) is None:
        # STALE: another has asked.
        driver.write(DRAIN + name, jsontext.dumps({"asked_at": storage.clock.micros()}), 0)
    return True


def is_to_drain(storage: Storage, name: str) -> bool:
    """Whether server ``name`` was asked to drain."""
    return storage.driver.read(DRAIN + name) is not None


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
    if not isinstance(facts, dict):
        return {}
    seen_at = facts.get("seen_at")
    known = isinstance(seen_at, int) and 0 <= seen_at < 2**63
    return facts if known else {**facts, "seen_at": 0}

"""Named locks: who holds a name and until when, in records changed by who knows their version.

A fixed number of records holds all locks, each in the one that its name's checksum picks. So none
is ever removed, and its versions never begin anew: of two hands that read the same version one is
refused, however long it was held up since. A record for each name would have to go some day, and
then a hand that knew the old version 1 could overwrite a new one.
"""

import logging
import shlex
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..seam.rows import Record, Verdict
from ..values import jsontext
from ..values.errors import ConfigurationError, LockTaken, SerializationError
from ..values.times import from_micros
from . import checks
from .storage import Storage

log = logging.getLogger("qml.locks")

PREFIX = "lock/"

SHARDS = 256
"""Records. Names that share one cost each other a second try now and then, and no more."""

FORGOTTEN_AFTER = 600_000_000
"""Microseconds after which a lock whose holder died is struck off. It is free at the end of its
term; only that nobody's clock is so wrong that it strikes off what another still holds."""

LONGEST_NAME = 1_000


@attrs.frozen
class Grant:
    """The lock ``name`` is ``holder``'s. ``since``, ``until``: microseconds since 1970 UTC by the
    store's clock; ``fence``: higher than that of every grant of this name before."""

    name: str
    holder: str
    fence: int
    since: int
    until: int


@attrs.frozen
class Shard:
    """What one record says: the last ``fence`` it gave, and the ``grants`` by name."""

    fence: int = 0
    grants: Mapping[str, Grant] = attrs.field(factory=dict)

    def changed(self, name: str, grant: Grant | None, now: int) -> "Shard":
        """The same with another grant of ``name`` (None = free), without those long over."""
        kept = {
            other: one
            for other, one in self.grants.items()
            if other != name and one.until > now - FORGOTTEN_AFTER
        }
        if grant is None:
            return Shard(self.fence, kept)
        return Shard(max(self.fence, grant.fence), {**kept, name: grant})


# -- what may happen to a lock -----------------------------------------------------------------


def take(storage: Storage, name: str, holder: str, seconds: float) -> Grant:
    """Give the lock to ``holder`` for ``seconds``. LockTaken when another holds it. Who holds it
    already, since the reply to an earlier call was lost, gets the same grant, its term anew."""
    term = checks.span("lock seconds", seconds)
    checked_name(holder, "lock holder")

    def decide(held: Grant | None, last: int, now: int) -> Grant:
        if held is None:
            return Grant(name, holder, max(last + 1, now), now, now + term)
        if held.holder != holder:
            raise taken(held)
        return attrs.evolve(held, until=now + term)

    _, grant = _change(storage, name, decide)
    assert grant is not None
    return grant


def renew(storage: Storage, grant: Grant, seconds: float) -> Grant | None:
    """The grant with a new term of ``seconds`` from now; None when it is over: its term has passed,
    the lock was flushed, or is another's."""
    term = checks.span("lock seconds", seconds)
    storage.clock.sync()  # a script may be up for weeks, and has no server that does it

    def decide(held: Grant | None, last: int, now: int) -> Grant | None:
        if held is None or (held.holder, held.fence) != (grant.holder, grant.fence):
            return held
        return attrs.evolve(held, until=now + term)

    held, new = _change(storage, grant.name, decide)
    return None if new is held else new


def release(storage: Storage, name: str, holder: str, fence: int | None = None) -> bool:
    """Free the lock if it is ``holder``'s (by the grant with this ``fence``; None = by whichever),
    and wake who waits for it. False: it was not, and nothing changed."""

    def decide(held: Grant | None, last: int, now: int) -> Grant | None:
        mine = held is not None and held.holder == holder and fence in (None, held.fence)
        return None if mine else held

    held, new = _change(storage, name, decide)
    if new is not held:
        storage.driver.notify()
    return new is not held


def flush(storage: Storage, name: str, fence: int | None = None) -> Grant | None:
    """Free the lock, whoever holds it (by the grant with this ``fence``; None = by whichever), and
    return what was held; None = nothing was. For holders that are known to be dead: one that lives
    goes on until it hears of it, at its next renewal."""

    def decide(held: Grant | None, last: int, now: int) -> Grant | None:
        return None if held is not None and fence in (None, held.fence) else held

    checked_name(name)  # what is wrong with it is no damage of the record
    try:
        held, new = _change(storage, name, decide)
    except SerializationError as error:
        log.warning("%s. It begins anew, and all its locks are free", error)
        _clear(storage, name)
        return None
    if new is held:
        return None
    storage.driver.notify()
    return held


def find(storage: Storage, name: str) -> Grant | None:
    """Who holds the lock now, or None."""
    return _change(storage, name, lambda held, last, now: held)[0]


def held(storage: Storage) -> list[Grant]:
    """The locks that are held now, by name. A record that cannot be read is logged."""
    now = storage.clock.micros()
    found: list[Grant] = []
    for record in storage.driver.list(PREFIX):
        try:
            found += [one for one in _decode(record).grants.values() if one.until > now]
        except SerializationError as error:
            log.warning("%s", error)
    return sorted(found, key=lambda one: one.name)


# -- how it is written -------------------------------------------------------------------------

Decide = Callable[[Grant | None, int, int], Grant | None]
"""From what is held now, the last fence and the time: what is to be held. The same = no change."""


def _change(storage: Storage, name: str, decide: Decide) -> tuple[Grant | None, Grant | None]:
    """What was held, and what is held now. STALE: somebody was there, so look and decide anew."""
    place = _place(name)
    while True:
        record = storage.driver.read(place)
        shard = Shard() if record is None else _decode(record)
        held, now = _live(storage, shard.grants.get(name))
        new = decide(held, shard.fence, now)
        if new is held:
            return held, new
        body = _encode(shard.changed(name, new, now))
        version = 0 if record is None else record.version
        if storage.driver.write(place, body, version) is Verdict.DONE:
            return held, new


def _live(storage: Storage, grant: Grant | None) -> tuple[Grant | None, int]:
    """The grant if its term has not passed, and the time."""
    now = storage.clock.micros()
    if grant is None or grant.until <= now:
        storage.clock.sync()  # one that has drifted must neither end a term early nor begin it so
        now = storage.clock.micros()
    return (grant if grant is not None and grant.until > now else None), now


def _clear(storage: Storage, name: str) -> None:
    place, verdict = _place(name), Verdict.STALE
    while verdict is Verdict.STALE:
        record = storage.driver.read(place)
        version = 0 if record is None else record.version
        verdict = storage.driver.write(place, _encode(Shard()), version)


def _place(name: str) -> str:
    return f"{PREFIX}{zlib.crc32(checked_name(name).encode()) % SHARDS:02x}"


def _encode(shard: Shard) -> str:
    grants = {name: attrs.astuple(grant)[1:] for name, grant in shard.grants.items()}
    return jsontext.dumps({"fence": shard.fence, "held": grants})


def _decode(record: Record) -> Shard:
    try:
        found = jsontext.loads(record.body)
        grants = {name: _grant(name, *parts) for name, parts in found["held"].items()}
        return Shard(int(found["fence"]), grants)
    except (SerializationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SerializationError(
            f"record {record.name} cannot be read ({error}), so its locks are neither held nor "
            "free; when none of their holders lives: qml locks flush NAME"
        ) from error


def _grant(name: str, holder: Any, *numbers: Any) -> Grant:
    if type(holder) is not str or any(type(number) is not int for number in numbers):
        raise ValueError(f"what it says of {name!r} is no grant")
    return Grant(name, holder, *numbers)


# -- what is said ------------------------------------------------------------------------------


def checked_name(name: object, what: str = "lock name") -> str:
    """A lock's name, or a holder: text that is not empty."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        raise ConfigurationError(
            f"{what} is {name!r}; give text of 1 to {LONGEST_NAME:,} characters without NUL"
        )
    jsontext.checked(name, what)
    return name


def taken(held: Grant, why: str = "") -> LockTaken:
    """The error for one who asks for what another holds. ``why`` comes behind the holder."""
    until = from_micros(held.until)
    return LockTaken(
        f"lock {held.name!r} is held by {held.holder}{why}, until {until:%Y-%m-%d %H:%M:%S} UTC "
        "or as long as it is renewed. Wait for it with timeout=; if its holder is dead and you "
        f"cannot wait: qml locks flush {shlex.quote(held.name)}",
        lock=held.name,
        holder=held.holder,
        until=until,
    )

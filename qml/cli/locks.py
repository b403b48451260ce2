"""``qml locks``: list the named locks that are held, and free one whose holder is dead."""

import argparse
from datetime import datetime
from typing import Any

from ..storage import locks
from ..storage.locks import Grant
from ..storage.storage import Storage
from ..values.errors import SerializationError
from ..values.texts import as_json, complain, plain, say, table, terminal_width
from ..values.times import from_micros
from . import codes, stores
from .bulk import YES
from .figures import when
from .logs import warnings_of_qml
from .verbs import add_group, add_verb, agreed

GIVEN = (stores.URL, stores.JSON)


def add_to(commands: Any) -> None:
    """Add the commands to ``qml``."""
    verbs = add_group(
        commands, "locks", "list the named locks that are held, free one", listed, GIVEN
    )
    add_verb(verbs, "list", "all locks that are held, by name", listed, GIVEN)
    about = "free a lock, whoever holds it; only when its holder is dead, or both will be at work"
    verb = add_verb(verbs, "flush", about, flushed, (stores.URL, YES))
    verb.add_argument("name", metavar="NAME")


def listed(arguments: argparse.Namespace) -> int:
    """Print all locks that are held."""
    with warnings_of_qml(complain), stores.open_existing(arguments.url) as storage:
        found, now = locks.held(storage), storage.now()
    if arguments.json:
        say(as_json([_as_dict(grant) for grant in found]))
    elif not found:
        say("No lock is held.")
    else:
        for line in _table(found, now):
            say(line)
    return codes.DONE


def _as_dict(grant: Grant) -> dict[str, Any]:
    since, until = from_micros(grant.since).isoformat(), from_micros(grant.until).isoformat()
    name, holder, fence = grant.name, grant.holder, grant.fence
    return {"name": name, "holder": holder, "fence": fence, "since": since, "until": until}


def _table(found: list[Grant], now: datetime) -> list[str]:
    rows = [
        (
            one.name,
            one.holder,
            when(from_micros(one.since), now),
            when(from_micros(one.until), now),
            one.fence,
        )
        for one in found
    ]
    return table(
        ("NAME", "HOLDER", "TAKEN", "FREE IF IT DIED", "FENCE"),
        rows,
        flexible=("NAME", "HOLDER"),
        optional=("FENCE", "TAKEN"),
        width=terminal_width(),
    )


def flushed(arguments: argparse.Namespace) -> int:
    """Free the lock that is named, once it is agreed to."""
    name = locks.checked_name(arguments.name)
    with warnings_of_qml(complain), stores.open_existing(arguments.url) as storage:
        try:
            held = locks.find(storage, name)
        except SerializationError as error:
            return _cleared(arguments, storage, str(error))
        if held is None:
            complain(f"lock {name!r} is not held")
            return codes.FAILED
        if not _agreed(arguments, f"lock {name!r}, held by {held.holder}"):
            return codes.DONE
        # Its fence, since the holder that a person agreed about may have freed it meanwhile.
        freed = locks.flush(storage, name, held.fence)
    if freed is None:
        complain(f"lock {name!r} is not held by {held.holder} any more; nothing was done")
        return codes.FAILED
    say(f"{plain(name)}  free; it was held by {plain(freed.holder)}")
    return codes.DONE


def _cleared(arguments: argparse.Namespace, storage: Storage, why: str) -> int:
    if _agreed(arguments, f"all locks of a damaged record: {why}"):
        locks.flush(storage, arguments.name)
    return codes.DONE


def _agreed(arguments: argparse.Namespace, what: str) -> bool:
    """Whether it is agreed to free it."""
    to_do = f"To free: {what}. Nothing is done yet; if its holder is dead, give --yes"
    return agreed(arguments, f"Free {what}?", to_do)

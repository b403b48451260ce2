"""What errors of the server and of its library mean: qml's own, with what to do."""

import psycopg2

from ...values import urls
from ...values.errors import MigrationError, StorageError, StorageUnavailable

AGAIN = ("40P01", "40001")
"""Deadlock and serialization failure: nothing was changed, and trying again helps."""

UNIQUE = "23505"

UNAVAILABLE = {
    "57014": "it took longer than statement_timeout; look for a long open transaction that holds "
    "locks, or raise statement_timeout",
    "55P03": "another transaction holds a lock; look for one that is open long",
    "53100": "the server's disk is full; free some space there, then ask again",
    "53200": "the server has no memory left; ask again later",
    "53300": "raise the server's max_connections, or lower max_connections here",
    "25006": "the server is read-only: a standby, or set so; connect to the primary (in the URL: "
    "target_session_attrs=read-write)",
    "40P01": "deadlocks did not end; ask again",
    "40001": "other transactions were always faster; ask again",
}
UNAVAILABLE_CLASSES = ("08", "40", "53", "55", "57", "58")
"""Of connections, rollbacks, resources, states, an operator's doing, the system."""

TOO_LONG = {
    "54000": "PostgreSQL cannot index a name longer than about 2,600 bytes (id, method, queue, "
    "state, unique_key, batch), nor a queue, concurrency_key and rate_key that are longer "
    "together; give shorter ones",
}
"""Said in the place of the server's own words, which are of its indexes."""

HINTS = "NOTIFY"
HINTS_CURE = (
    "a session that listens has a transaction open for long, so no hint can be forgotten; find it "
    "(pg_stat_activity, by xact_start) and end it"
)
"""Of the queue of hints, which is full by the same code."""

WRONG = {
    "25P02": "a statement of this transaction has failed before; roll it back",
    "42501": "give the role USAGE on the schema and SELECT, INSERT, UPDATE, DELETE on all tables "
    "in it; to make them, it needs CREATE on the database, or on the schema if that is there",
}
NOT_INSTALLED = ("42P01", "3F000", "42703", "42883")


ANY_CURE = "see that it runs and that the URL is right, then ask again"
CURES = {
    "too many": UNAVAILABLE["53300"],
    "slots are reserved": UNAVAILABLE["53300"],
    "password": "check user and password in the URL",
    "local user": "name the user in the URL, since this process has no name: postgresql://USER@...",
    "does not exist": "create it there, or correct the URL",
    "starting up": "ask again in a moment",
    "shutting down": "ask again when it is back",
}
"""What to do when no session is to be had, by what the server says: there is no code to go by."""


def cure(fault: str) -> str:
    """What to do when no session is to be had."""
    return next((cure for words, cure in CURES.items() if words in fault), ANY_CURE)


def translated(error: psycopg2.Error, name: str, url: str) -> StorageError:
    """qml's error for a statement that the server refused."""
    code = error.pgcode or ""
    message = f"{name}: {told(error, url)}"
    if code in TOO_LONG:
        if HINTS in message.removeprefix(name):
            return StorageUnavailable(f"{message}; {HINTS_CURE}")
        return StorageError(f"{name}: {TOO_LONG[code]}")
    if code in NOT_INSTALLED:
        cure = "the tables of qml are not there, or not complete; connect anew to make them"
        return MigrationError(f"{message}; {cure}")
    unknown = not code and isinstance(error, psycopg2.OperationalError)
    if code in UNAVAILABLE or code[:2] in UNAVAILABLE_CLASSES or unknown:
        return StorageUnavailable(f"{message}; {UNAVAILABLE.get(code, 'ask again later')}")
    return StorageError(message + (f"; {WRONG[code]}" if code in WRONG else ""))


def told(error: BaseException, url: str) -> str:
    """What an error says, on one line and without a password; nor with statements of ours."""
    said = getattr(error, "diag", None)
    parts = said and [said.message_primary, said.message_detail, said.message_hint]
    whole = [part for part in parts or () if part] or str(error).splitlines()
    line = "; ".join(" ".join(part.split()) for part in whole if part.strip())
    return urls.without_passwords(line or type(error).__name__, url)

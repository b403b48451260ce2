"""What a server's silence and its refusals mean: what happened, where, and what to do now."""

import re

import redis
from redis import exceptions

from ...values.errors import CapacityExceeded, StorageError, StorageUnavailable

PERHAPS = "the call may or may not have been carried out, and may safely be made again"

FORBIDDEN = "allow it (ACL SETUSER), on all keys and channels that begin with the prefix"

_REFUSALS: tuple[tuple[type[Exception] | str, str, str], ...] = (
    (exceptions.AuthenticationError, "refuses the login", "check user and password in the URL"),
    (
        exceptions.NoPermissionError,
        "forbids this user a command",
        FORBIDDEN,
    ),
    (
        "max number of clients",
        "takes no more clients",
        "raise maxclients there, or lower max_connections here",
    ),
    (
        "DB index",
        "has no such database",
        "correct the number at the end of the URL, or raise the server's `databases`",
    ),
)
"""What refuses a connection, and what to do."""


def unreachable(name: str, error: BaseException, *, sent: bool) -> StorageUnavailable:
    """No answer: the server is away, or silent, or still loading."""
    for sign, fact, cure in _REFUSALS:
        if isinstance(error, sign) if isinstance(sign, type) else sign in str(error):
            text = f"{name} {fact} ({error}); {cure}"
            return StorageUnavailable(f"{text}; {PERHAPS}" if sent else text)
    fate = PERHAPS if sent else "nothing was changed; ask again when it is back"
    return StorageUnavailable(f"{name} does not answer ({error}); {fate}")


def translated(name: str, error: redis.RedisError, *, sent: bool) -> StorageError:
    """A refusal. A script is refused before its first write, so nothing was changed; only if it
    was ``sent`` before, and that reply lost, this is not known."""
    kind, told = _translated(error)
    return kind(f"{name} {told}; {PERHAPS}" if sent else f"{name} {told}")


AVAILABLE_AGAIN = "CLUSTERDOWN|MASTERDOWN|NOREPLICAS|BUSY|TRYAGAIN|ASK"

_MEANINGS: tuple[tuple[str, type[StorageError], str, str], ...] = (
    (
        "OOM",
        CapacityExceeded,
        "is full, it holds as much as its maxmemory allows",
        "purge or delete jobs, or raise maxmemory",
    ),
    (
        "READONLY",
        StorageUnavailable,
        "is a read-only replica",
        "connect to its primary, or wait until it is one",
    ),
    (
        "MOVED",
        StorageError,
        "is a node of a cluster and does not keep these keys",
        "give the URL of the node that does",
    ),
    (
        "NOPERM|ACL failure",
        StorageError,
        "forbids this user a command",
        FORBIDDEN,
    ),
    (
        "MISCONF",
        StorageUnavailable,
        "takes no writes, since it cannot save them",
        "free space on its disk, and look into its log",
    ),
    (
        r"[Uu]nknown (?:\w+ )?command",
        StorageError,
        "does not know a command that qml needs",
        "it was renamed or switched off there (rename-command), or the server is older than Redis "
        "6.2; undo that, or use another",
    ),
    (AVAILABLE_AGAIN, StorageUnavailable, "takes no calls now", "ask again later"),
)

_CODES: dict[type[Exception], str] = {
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.MovedError: "MOVED",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.TryAgainError: "TRYAGAIN",
}
"""What redis-py makes of some codes: it leaves them out of the text."""


def _translated(error: redis.RedisError) -> tuple[type[StorageError], str]:
    text = f"{_CODES.get(type(error), '')} {error}".strip().partition(", with args")[0]
    for code, kind, fact, cure in _MEANINGS:
        # At the beginning; or, of a script on Redis 6, after a dash in the middle.
        if re.search(rf"(?:^|-)(?:{code})\b", text):
            return kind, f"{fact} ({text}): {cure}"
    return StorageError, f"refuses a command: {text}"

"""Connections to one server, lent for a call each; and calls that are carried out once.

A reply may be lost when the call was carried out. So each writing call has a name, a lane and a
number that the lane uses once, and the scripts remember a lane's last call with its answer (see
place.lua): the same call may be made again, by us and by a network that delivers it late.
"""

# mypy: allow-untyped-calls
# (much of redis-py has no types)

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.connection import UnixDomainSocketConnection, parse_url
from redis.retry import Retry

from ...values import urls
from ...values.config import RedisConfig
from ...values.errors import ConfigurationError, StorageClosed, StorageError, StorageUnavailable
from .. import forks
from . import faults
from .packing import Packer
from .pool import Exhausted, Pool
from .scripts import Script

T = TypeVar("T")

PAUSE = 0.05
"""Seconds between two attempts to reach the server again and hear what became of a call."""

KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
"""Seconds of silence after which the system asks whether the other end still lives, and how often:
a firewall forgets an idle connection and tells nobody."""


OF_POOLS = ("max_connections", "timeout")
"""What a URL may say of redis-py's own pools."""

LONGEST = 500_000_000
"""Bytes of an order. A server cuts the line of who sends more than its proto-max-bulk-len, which
is 512 MiB unless it is set otherwise."""


class NotSent(Exception):
    """No connection was to be had, so nothing was sent."""


REFUSED = (NotSent, redis.AuthenticationError, redis.BusyLoadingError)
"""The call was not carried out."""


class Lane:
    """One call after the other, each with a number of its own; ``name`` is nobody else's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0


class Connections:
    """Lends connections and makes calls on them, and knows what their failures mean."""

    def __init__(self, config: RedisConfig) -> None:
        self._config = config
        self._closed = False
        self._in_child: Callable[[], None] = lambda: None
        self._options = _options(config)
        # Remembered for longer than anybody tries to hear the answer.
        self._remembered = int(10 * (config.answer_timeout + config.connect_timeout)) + 1
        self.base = f"{{{config.key_prefix}}}:"
        self.name = f"Redis at {_address(config)} (prefix {config.key_prefix})"
        self._fresh()
        forks.guard(self)

    def _fresh(self) -> None:
        config = self._config
        self._pool = Pool(self._options, config.max_connections, config.pool_timeout)
        self._lanes: deque[Lane] = deque()
        self._named = count()
        # What the names of lanes begin with, by which hints are known that come from here.
        self.origin = os.urandom(8).hex()

    # -- calls ---------------------------------------------------------------------------------

    def ask(self, *command: Any) -> Any:
        """The answer to a command that may be carried out twice, as the protocol has it."""
        return self._patiently(lambda: self._once(*command))

    def read(self, script: Script, order: bytes) -> Any:
        """The answer of a script that changes nothing."""
        return self._patiently(lambda: self._run(script, order))

    def write(self, script: Script, order: bytes, beside: Sequence[bytes] = ()) -> Any:
        """The answer of a script that is carried out once, however often it is called. ``beside``:
        what belongs to the order, see calls.lua."""
        size = len(order) + sum(map(len, beside))
        if size > LONGEST:
            raise StorageError(
                f"{self.name} takes at most {LONGEST:,} bytes at once, and this batch has "
                f"{size:,}; nothing was changed: make several of it"
            )
        try:
            lane = self._lanes.pop()
        except IndexError:
            lane = Lane(f"{self.origin}{next(self._named)}")
        lane.number += 1
        named = (lane.name, lane.number, self._remembered, order, *beside)
        answer = self._patiently(lambda: self._run(script, *named))
        # Not so after an error: the call may yet reach the server, and overtake the lane's next.
        self._lanes.append(lane)
        return answer

    def _run(self, script: Script, *arguments: Any) -> Any:
        """By its hash; by its text when the server does not know it (a restart, SCRIPT FLUSH)."""
        try:
            return self._once("EVALSHA", script.sha, 1, self.base, *arguments)
        except redis.exceptions.NoScriptError:
            return self._once("EVAL", script.text, 1, self.base, *arguments)

    def _once(self, *command: Any) -> Any:
        """Not by redis-py's ``execute_command``: an interrupt between its request and its reply
        leaves the reply in the line, and the next caller takes it for its own."""
        try:
            line = self._pool.take()
        except (redis.RedisError, OSError) as error:
            raise NotSent from error
        try:
            line.connection.send_command(*command)
            answer = line.connection.read_response()
            self._pool.give_back(line)
        except redis.ResponseError:
            self._pool.give_back(line)
            raise  # an answer, like others
        except BaseException:
            self._pool.drop(line)
            raise
        return answer

    def _patiently(self, call: Callable[[], T]) -> T:
        """The call's answer. When a reply was lost the call is made again, for a while."""
        lost: Exception | None = None
        give_up = 0.0
        while True:
            self.check_open()
            try:
                return call()
            except REFUSED as error:
                self.check_open()
                failure = error.__cause__ or error
                if lost is None or time.monotonic() > give_up:
                    raise self._unreachable(failure, lost) from lost or failure
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                if lost is None:
                    lost, give_up = error, time.monotonic() + self._config.connect_timeout
                if isinstance(error, redis.TimeoutError) or time.monotonic() > give_up:
                    raise self._unreachable(error, lost) from error
            except redis.RedisError as error:
                raise faults.translated(self.name, error, sent=lost is not None) from error
            time.sleep(PAUSE)

    def check_open(self) -> None:
        """StorageClosed when it is."""
        if self._closed:
            raise StorageClosed(f"{self.name}: this storage is closed; connect again")

    def _unreachable(self, error: BaseException, lost: Exception | None) -> StorageUnavailable:
        if lost is None and isinstance(error, Exhausted):
            return StorageUnavailable(
                f"{self.name}: all {self._config.max_connections} connections were in use for "
                f"{self._config.pool_timeout:g} s; raise max_connections, or use fewer threads"
            )
        return faults.unreachable(self.name, error, sent=lost is not None)

    # -- a connection of one's own -------------------------------------------------------------

    def alone(self) -> Any:
        """A new connection outside the pool."""
        self.check_open()
        return self._pool.make()

    # -- the end, and forks --------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection, those in use when their call has ended. Later calls are
        StorageUnavailable."""
        self._closed = True
        self._pool.close()

    def before_fork(self) -> None:
        """Nothing: no lock is held during a call."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Begin anew: the parent's connections are not used, and closing them in the child does
        not end them for the parent."""
        self._fresh()
        self._in_child()

    def when_forked(self, begin_anew: Callable[[], None]) -> None:
        """Have ``begin_anew`` called in a forked child, for whoever has locks of his own."""
        self._in_child = begin_anew


def _options(config: RedisConfig) -> dict[str, Any]:
    """For the pool and its connections. A URL that redis-py cannot use is told now, not when the
    first connection is made."""
    try:
        given: dict[str, Any] = parse_url(config.url)
        given = {name: value for name, value in given.items() if name not in OF_POOLS}
        options = given | _relied_on(config)
        if given.get("connection_class") is not UnixDomainSocketConnection:
            options |= {"socket_keepalive": True, "socket_keepalive_options": _keepalive()}
        Pool(options, 1, 0.0).make()
    except (TypeError, ValueError, redis.RedisError) as error:
        told = urls.without_passwords(str(error), config.url)
        if "unexpected keyword argument" in told:
            told = f"{told.rpartition(' ')[2]} is no setting, of redis-py's or of qml's"
        raise ConfigurationError(f"RedisConfig url: {told}") from None
    return options


def _relied_on(config: RedisConfig) -> dict[str, Any]:
    """What no URL changes: above all, redis-py repeats nothing of itself."""
    return {
        "socket_timeout": config.answer_timeout,
        "socket_connect_timeout": config.connect_timeout,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "retry_on_timeout": False,
        "health_check_interval": 0,
        "protocol": 2,
        "decode_responses": False,
        "command_packer": Packer(),
    }


def _keepalive() -> dict[int, int]:
    named = ((getattr(socket, name, None), value) for name, value in KEEPALIVE.items())
    return {option: value for option, value in named if option is not None}


def _address(config: RedisConfig) -> str:
    given = parse_url(config.url)
    if "path" in given:
        return f"{given['path']}/{given.get('db', 0)}"
    return f"{given.get('host', 'localhost')}:{given.get('port', 6379)}/{given.get('db', 0)}"

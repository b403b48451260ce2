"""How the threads of a server are shared out among its queues."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..storage import checks
from ..values.errors import ConfigurationError
from .pool import Pool

Queues = Sequence[str] | Mapping[str, int] | None
"""Every queue; or those to take from, as one pool; or how many threads each of them has."""

THREADS = 8
"""Threads of a server that is not told how many."""


class Share(NamedTuple):
    """The threads of a ``pool``, which run jobs of these ``queues`` only (None = every queue)."""

    queues: tuple[str, ...] | None
    pool: Pool


class Division(NamedTuple):
    """``threads`` for jobs of ``queues`` (None = every queue), of which a queue may have its own,
    ``reserved``: then it runs no more at once than these and those that nobody has reserved."""

    threads: int
    queues: tuple[str, ...] | None
    reserved: dict[str, int]

    @property
    def parts(self) -> list[tuple[tuple[str, ...] | None, int]]:
        """Queues, and how many threads are for them alone. What is reserved for none comes last,
        for all of them."""
        parts: list[tuple[tuple[str, ...] | None, int]] = []
        parts += [((queue,), threads) for queue, threads in self.reserved.items()]
        left = self.threads - sum(self.reserved.values())
        return [*parts, (self.queues, left)] if left else parts

    def __str__(self) -> str:
        if self.queues is None:
            return "every queue"
        return ", ".join(
            f"{queue} ({self.reserved[queue]})" if queue in self.reserved else queue
            for queue in self.queues
        )


def divide(threads: int | None, queues: Queues) -> Division:
    """What is asked for; a ConfigurationError names what cannot be. ``threads``: None = as many as
    are reserved, or 8."""
    if threads is not None and (type(threads) is not int or threads < 1):
        raise ConfigurationError(f"threads is {threads!r}; give a whole number, 1 or more")
    names = checks.queue_names(queues)
    if not isinstance(queues, Mapping):
        return Division(THREADS if threads is None else threads, names, {})
    for queue, number in queues.items():
        if type(number) is not int or number < 1:
            raise ConfigurationError(
                f"queues reserves {number!r} threads for {queue!r}; give a whole number, 1 or more"
            )
    reserved = sum(queues.values())
    if threads is not None and threads < reserved:
        raise ConfigurationError(
            f"threads is {threads}, fewer than the {reserved} that queues reserves; give at least "
            "as many, or none, which means as many as are reserved"
        )
    return Division(threads or reserved, names, dict(queues))


def shares(division: Division, make: Callable[[int, Pool | None], Pool]) -> list[Share]:
    """The pools of a server. ``make`` makes one of so many threads, whose claim loop is that of the
    pool it is given."""
    made: list[Share] = []
    for queues, threads in division.parts:
        made.append(Share(queues, make(threads, made[0].pool if made else None)))
    return made

"""Runs a function in many threads, or many processes, that begin at one moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from qml.testing.proving.kills import context

PATIENCE = 60.0
"""Seconds to wait until all are ready: then one of them has failed before it was."""


def in_threads(count: int, work: Callable[..., Any], *given: Any) -> list[Any]:
    """What ``work(number, ready, *given)`` returns in each thread; ``ready()`` returns once all
    have called it."""
    barrier = threading.Barrier(count, timeout=PATIENCE)
    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(work, number, barrier.wait, *given) for number in range(count)]
        return [call.result() for call in calls]


def in_processes(count: int, work: Callable[..., Any], *given: Any) -> list[Any]:
    """The same in processes. ``work`` can be imported, ``given`` and the answers be pickled."""
    begin = context(work.__module__)  # 20 of them: 0.7 s, by spawn 4 s
    barrier = begin.Barrier(count, timeout=PATIENCE)
    with ProcessPoolExecutor(count, begin, _meet_at, (barrier,)) as pool:
        calls = [pool.submit(_work, work, number, *given) for number in range(count)]
        return [call.result() for call in calls]


_barriers: list[Any] = []


def _meet_at(barrier: Any) -> None:
    """A barrier can be given to a process at its start only."""
    _barriers.append(barrier)


def _work(work: Callable[..., Any], number: int, *given: Any) -> Any:
    return work(number, _barriers[0].wait, *given)

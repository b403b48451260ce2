"""Fork and memory: the child gets whole rows and a lock that nobody holds.

A fork copies memory as it is at that moment, with locks that threads of the parent hold and that
nobody in the child would ever let go. So a fork waits until no driver is in the middle of a verb.
"""

import os
import threading
import weakref
from typing import Protocol


class _Guarded(Protocol):
    lock: threading.Condition


_known: "weakref.WeakSet[_Guarded]" = weakref.WeakSet()
_registry = threading.Lock()
_stopped: list[_Guarded] = []


def guard(driver: _Guarded) -> None:
    """Let every later fork wait for ``driver.lock``, and give the child a new one."""
    with _registry:
        _known.add(driver)


def _before() -> None:
    _registry.acquire()
    _stopped.extend(_known)
    for driver in _stopped:
        driver.lock.acquire()


def _in_parent() -> None:
    while _stopped:
        _stopped.pop().lock.release()
    _registry.release()


def _in_child() -> None:
    while _stopped:
        _stopped.pop().lock = threading.Condition()
    _registry.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

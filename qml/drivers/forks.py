"""What drivers do around a fork, so that the child inherits nothing in the middle of a step."""

import os
import threading
import weakref
from typing import Any, Protocol


class Forkable(Protocol):
    """Something with locks or connections of its own."""

    def before_fork(self) -> None:
        """Let what is under way end, and nothing new begin."""
        ...

    def after_fork_in_parent(self) -> None:
        """Go on."""
        ...

    def after_fork_in_child(self) -> None:
        """Begin anew: other threads, and the locks they held, are gone."""
        ...


_known: "weakref.WeakSet[Forkable]" = weakref.WeakSet()
_registry = threading.Lock()
_stopped: list[Forkable] = []


def guard(thing: Forkable) -> None:
    """Have ``thing`` told of every fork to come, as long as it lives."""
    with _registry:
        _known.add(thing)


def leak(thing: Any) -> None:
    """Never free ``thing`` in this process."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _before() -> None:
    _registry.acquire()
    _stopped.extend(_known)
    for thing in _stopped:
        thing.before_fork()


def _in_parent() -> None:
    while _stopped:
        _stopped.pop().after_fork_in_parent()
    _registry.release()


def _in_child() -> None:
    while _stopped:
        _stopped.pop().after_fork_in_child()
    _registry.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

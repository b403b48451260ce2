"""The contract suite: named checks that anyone can run on a storage of their own.

::

    from qml.testing import check_storage

    check_storage(lambda clock: MyStorage(clock=clock))
"""

from collections.abc import Callable
from types import ModuleType

from .checks import (
    claiming,
    ending,
    expiring,
    following,
    keeping,
    limiting,
    locking,
    meeting,
    noting,
    pausing,
    recurring,
    storing,
    waiting,
)
from .checks.scene import Scene
from .making import MakeStorage, placed

Check = Callable[[Scene], None]


def _of(module: ModuleType) -> list[Check]:
    return [
        value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
    ]


CHECKS: tuple[Check, ...] = (
    *_of(storing),
    *_of(claiming),
    *_of(locking),
    *_of(ending),
    *_of(meeting),
    *_of(keeping),
    *_of(expiring),
    *_of(noting),
    *_of(following),
    *_of(recurring),
    *_of(limiting),
    *_of(pausing),
    *_of(waiting),
)
"""Every check. Its name is what must hold; its docstring the promise, with section or law."""


def check_storage(make: MakeStorage) -> None:
    """Run every check, each on a fresh storage; AssertionError names those that fail.

    ``make(clock)`` returns an empty storage that lives by the ManualClock it is given; a ``make``
    without parameters has its storage's ``clock`` set. The storage is closed after each check.
    """
    failures: list[AssertionError] = []
    for check in CHECKS:
        try:
            run_check(check, make)
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        broken = "\n\n".join(map(str, failures))
        raise AssertionError(f"{len(failures)} of {len(CHECKS)} checks fail:\n\n{broken}")


def run_check(check: Check, make: MakeStorage) -> None:
    """Run one of ``CHECKS`` on a fresh storage."""
    scene = Scene(make)
    try:
        check(scene)
    except Exception as failure:
        name = check.__name__.replace("_", " ")
        promise = " ".join((check.__doc__ or "").split())
        raise AssertionError(
            f"{name}\n  promised in {promise}\n  but {placed(failure)}"
        ) from failure
    finally:
        scene.storage.close()

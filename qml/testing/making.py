"""How a test is given fresh storages that live by its clock."""

import inspect
from collections.abc import Callable
from typing import Any

from ..values.clock import ManualClock

MakeStorage = Callable[..., Any]
"""``make(clock)``, or ``make()``: then the storage's ``clock`` is set."""


def fresh(make: MakeStorage, clock: ManualClock) -> Any:
    """A new storage from ``make``, living by ``clock``."""
    if _takes_clock(make):
        return make(clock)
    storage = make()
    storage.clock = clock
    return storage


def _takes_clock(make: MakeStorage) -> bool:
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except ValueError:  # written in C: nothing is known of it
        return True
    if not parameters:
        return False
    first = parameters[0]
    return first.name == "clock" or first.default is inspect.Parameter.empty

"""How a test is given fresh storages that live by its clock."""

import inspect
import traceback
from collections.abc import Callable
from typing import Any

from ..storage.storage import Storage
from ..values.clock import ManualClock
from ..values.errors import ConfigurationError

MakeStorage = Callable[..., Any]
"""``make(clock)``, or ``make()``: then the storage's ``clock`` is set."""


def fresh(make: MakeStorage, clock: ManualClock) -> Any:
    """A new storage from ``make``, living by ``clock``; ConfigurationError when it does not."""
    needs_asserts()
    if not callable(make):
        raise _unfit(f"a {type(make).__name__} is no function")
    given = _takes_clock(make)
    storage = make(clock) if given else make()
    if storage is None:
        raise _unfit("the function returned None")
    if not hasattr(storage, "fetch_and_lock_job"):
        raise _unfit(f"the function returned a {type(storage).__name__}")
    if not given:
        storage.clock = clock
    elif isinstance(storage, Storage) and storage.clock is not clock:
        storage.close()
        raise _unfit("the storage has another clock than it was given, and time would not pass")
    return storage


def with_driver(make: MakeStorage, clock: ManualClock) -> Any:
    """The same of a storage with a ``driver``, whose calls are broken or ordered."""
    storage = fresh(make, clock)
    if getattr(storage, "driver", None) is None:
        what = f"a {type(storage).__name__} without a `driver`"
        raise _unfit(f"the function returned {what}, at whose calls this tool steps in")
    return storage


def needs_asserts() -> None:
    """ConfigurationError where Python leaves out what a proof finds faults by."""
    if not __debug__:
        raise ConfigurationError(
            "this Python leaves out all assert statements, and would find no fault anywhere: prove "
            "storages without -O, -OO and the variable PYTHONOPTIMIZE"
        )


def whole(name: str, value: object, least: int = 0) -> None:
    """ConfigurationError where ``value`` is no whole number, or too small."""
    if type(value) is not int or value < least:
        raise ConfigurationError(f"{name} is {value!r}; give a whole number, {least} or more")


def placed(error: Exception) -> str:
    """What an assertion says; of any other exception also where it was raised."""
    if isinstance(error, AssertionError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{error!r} at {last.filename}:{last.lineno}, in {last.name}"


def _unfit(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"no storage to prove: {why}; give a function that returns a fresh storage living by the "
        "ManualClock it gets, such as lambda clock: MyStorage(clock=clock)"
    )


def _takes_clock(make: MakeStorage) -> bool:
    try:
        parameters = list(inspect.signature(make).parameters.values())
    except ValueError:  # written in C: nothing is known of it
        return True
    if not parameters:
        return False
    first = parameters[0]
    return first.name == "clock" or first.default is inspect.Parameter.empty

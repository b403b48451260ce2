"""For tests: a clock to turn by hand, strategies, an oracle, and proofs for any storage.

What needs Hypothesis imports it when it is first used: ``pip install 'queue-me-later[testing]'``.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..values.clock import ManualClock
    from . import strategies
    from .contract import check_storage
    from .faulty import FaultyDriver
    from .machine import StorageMachine
    from .model import StorageModel
    from .strategies import jobs, json_values, queue_names, states
    from .wrapping import WrappedDriver

_HOMES = {
    "FaultyDriver": ".faulty",
    "ManualClock": "..values.clock",
    "StorageMachine": ".machine",
    "StorageModel": ".model",
    "WrappedDriver": ".wrapping",
    "check_storage": ".contract",
    "jobs": ".strategies",
    "json_values": ".strategies",
    "queue_names": ".strategies",
    "states": ".strategies",
}

__all__ = [
    "FaultyDriver",
    "ManualClock",
    "StorageMachine",
    "StorageModel",
    "WrappedDriver",
    "check_storage",
    "jobs",
    "json_values",
    "queue_names",
    "states",
    "strategies",
]


def __getattr__(name: str) -> Any:
    """Import a name from its module at its first use."""
    if name == "strategies":
        return importlib.import_module(".strategies", __name__)
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(home, __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ImportError(
            f"qml.testing.{name} needs Hypothesis: pip install 'queue-me-later[testing]'",
            name="hypothesis",
        ) from error
    globals()[name] = value
    return value

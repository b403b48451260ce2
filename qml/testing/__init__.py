"""For tests: a clock to turn by hand, strategies, an oracle, and proofs for any storage.

What needs Hypothesis imports it when it is first used: ``pip install 'queue-me-later[testing]'``.
"""

from typing import TYPE_CHECKING

from .._lazy import importer

if TYPE_CHECKING:
    from ..values.clock import ManualClock
    from . import strategies
    from .contract import check_storage
    from .enqueued import assert_enqueued, assert_not_enqueued
    from .faulty import FaultyDriver
    from .history import History
    from .inline import Drained, drain
    from .interleaving import check_interleavings, replay
    from .machine import StorageMachine
    from .model import StorageModel
    from .simulation import Simulation, lives
    from .strategies import jobs, json_values, queue_names, states
    from .wrapping import WrappedDriver

__all__ = [
    "Drained",
    "FaultyDriver",
    "History",
    "ManualClock",
    "Simulation",
    "StorageMachine",
    "StorageModel",
    "WrappedDriver",
    "assert_enqueued",
    "assert_not_enqueued",
    "check_interleavings",
    "check_storage",
    "drain",
    "jobs",
    "json_values",
    "lives",
    "queue_names",
    "replay",
    "states",
    "strategies",
]

__getattr__ = importer(
    __name__,
    {
        "Drained": ".inline",
        "FaultyDriver": ".faulty",
        "History": ".history",
        "ManualClock": "..values.clock",
        "Simulation": ".simulation",
        "StorageMachine": ".machine",
        "StorageModel": ".model",
        "WrappedDriver": ".wrapping",
        "assert_enqueued": ".enqueued",
        "assert_not_enqueued": ".enqueued",
        "check_interleavings": ".interleaving",
        "check_storage": ".contract",
        "drain": ".inline",
        "jobs": ".strategies",
        "lives": ".simulation",
        "json_values": ".strategies",
        "queue_names": ".strategies",
        "replay": ".interleaving",
        "states": ".strategies",
        "strategies": ".strategies",
    },
)

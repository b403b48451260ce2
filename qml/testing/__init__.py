"""For tests: a clock to turn by hand, strategies, an oracle, and proofs for any storage."""

from ..values.clock import ManualClock
from . import strategies
from .contract import check_storage
from .machine import StorageMachine
from .model import StorageModel
from .strategies import jobs, json_values, queue_names, states

__all__ = [
    "ManualClock",
    "StorageMachine",
    "StorageModel",
    "check_storage",
    "jobs",
    "json_values",
    "queue_names",
    "states",
    "strategies",
]

"""The history of a run in many processes, and its checker: whether all of it can be true."""

from .history import History
from .verdict import Verdict

__all__ = ["History", "Verdict"]

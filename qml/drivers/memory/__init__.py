"""The driver whose rows live in this process's memory, and end with it."""

from .driver import MemoryDriver

__all__ = ["MemoryDriver"]

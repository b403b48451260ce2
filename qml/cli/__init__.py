"""The command line: ``qml run``, ``qml stats``, ``qml jobs``, ``qml demo``."""

from .entry import main

__all__ = ["main"]

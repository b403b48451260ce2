"""The command line: ``qml run``, ``qml stats``, ``qml jobs``, ``qml demo``."""

import sys
from typing import TYPE_CHECKING

from . import codes

if TYPE_CHECKING:
    from .inside import Inside


def main(argv: list[str] | None = None, inside: "Inside | None" = None) -> int:
    """Carry out ``qml`` with these arguments, as ``entry.main`` does; the exit code. Ctrl-C while
    the commands are still being imported is no traceback, either."""
    try:
        from . import entry
    except KeyboardInterrupt:
        print("qml: interrupted", file=sys.stderr)
        return codes.INTERRUPTED
    return entry.main(argv, inside)


__all__ = ["main"]

"""Breaks of qml that only a kill can show, made in the running process before anybody is forked.

Without a kill the story comes to its end with each of them, and nobody notices.
``python -m tests.crash.points.mutants --store sqlite`` sees that the kills find them.
"""

from collections.abc import Callable

from . import of_drivers, of_verbs

Mutant = Callable[[], None]


def of(store: str) -> dict[str, Mutant]:
    """The mutants of a store's driver, by name."""
    return {mutant.__name__: mutant for mutant in (*of_verbs.MUTANTS, *of_drivers.OF[store])}


def every() -> list[Mutant]:
    """All of them."""
    return [*of_verbs.MUTANTS, *(mutant for some in of_drivers.OF.values() for mutant in some)]

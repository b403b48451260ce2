"""Breaks of qml, each of one promise, made in the running process before anybody is forked.

``python -m tests.crash.mutants`` sees that the kills find them.
"""

from collections.abc import Callable

from . import of_servers, of_sqlite, of_work


def _by_name(*mutants: Callable[[], None]) -> dict[str, Callable[[], None]]:
    return {mutant.__name__: mutant for mutant in mutants}


OF_SQLITE = _by_name(*of_sqlite.MUTANTS, *of_work.MUTANTS)
OF_SERVERS = _by_name(*of_servers.MUTANTS, *of_work.MUTANTS)
MUTANTS = OF_SQLITE | OF_SERVERS

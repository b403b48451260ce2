"""Empty stores of every kind, for tests that need several at once."""

import importlib
import itertools

_numbers = itertools.count()


def _memory(folder):
    return "memory://"


def _sqlite(folder):
    return f"sqlite:///{folder}/{next(_numbers)}.db"


def _postgres(folder):
    return importlib.import_module("tests.drivers.postgres_store").config(folder / _name())


def _redis(folder):
    return importlib.import_module("tests.drivers.redis_store").config(folder / _name())


def _name():
    return str(next(_numbers))


# Each is a function of a folder: what `connect` takes for a store that is not there yet. Servers
# are started when a test asks, so that one store's trouble is not another's.
KINDS = {"memory": _memory, "sqlite": _sqlite, "postgres": _postgres, "redis": _redis}

PAIRS = list(itertools.product(KINDS, KINDS))

"""A wrapped driver is a driver, and all that touches rows or records comes by ``around``."""

import inspect

import pytest

from qml import Job, MemoryStorage
from qml.seam.driver import Driver
from qml.seam.rows import Claim, Finished, Hold, Page
from qml.testing import WrappedDriver
from tests.drivers.making import row

PASSES = {"notify", "wait", "install", "uninstall", "time", "describe", "examine", "close"}

CALLS = {
    "insert": ([row("a")], None),
    "load": (["a"],),
    "holder": ("k",),
    "swap": ([],),
    "claim": (Claim("w", 1, 2, 3, 0, None, "{}"),),
    "hold": ([Hold("a", None, "w", None, 1, 2)],),
    "let_go": ("a", "w", 1, (2, 3)),
    "scan": (Page(),),
    "count": (Page(), "state"),
    "erase": (Finished("succeeded", 1), 9),
    "used": (1, ["k"], ["r"]),
    "tally": ("t", None, None),
    "read": ("r",),
    "write": ("r", "{}", 0),
    "list": ("",),
}


class Noting(WrappedDriver):
    def __init__(self, driver):
        super().__init__(driver)
        self.noted = []

    def around(self, verb, order, call):
        answer = call()
        self.noted.append((verb, order, answer))
        return answer


def verbs():
    return {name for name in vars(Driver) if not name.startswith("_")}


def test_it_has_every_verb_of_a_driver():
    for name in verbs():
        mine, theirs = getattr(WrappedDriver, name), getattr(Driver, name)
        parameters = [inspect.signature(one).parameters.keys() for one in (mine, theirs)]
        assert parameters[0] == parameters[1], name


@pytest.mark.parametrize("verb", sorted(verbs() - PASSES))
def test_what_touches_rows_comes_by_around(verb):
    plain, twin = MemoryStorage().driver, MemoryStorage().driver
    wrapped = Noting(plain)
    answer = getattr(wrapped, verb)(*CALLS[verb])
    assert answer == getattr(twin, verb)(*CALLS[verb])
    [(noted, order, found)] = wrapped.noted
    assert (noted, found) == (verb, answer)
    assert order in (CALLS[verb][0], CALLS[verb])


def test_the_rest_passes_through():
    storage = MemoryStorage()
    storage.driver = wrapped = Noting(storage.driver)
    wrapped.install()
    wrapped.notify()
    assert wrapped.wait(0) is True
    assert wrapped.describe() == wrapped.driver.describe()
    assert wrapped.examine() == wrapped.driver.examine()
    assert abs(wrapped.time() - wrapped.driver.time()) < 60_000_000
    assert wrapped.noted == []
    storage.enqueue(Job("t"))
    assert [verb for verb, *_ in wrapped.noted] == ["insert"]
    wrapped.close()

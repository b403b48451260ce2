"""The records of servers: a sign of life or a farewell whose line is cut leaves no second trace."""

import pytest

from qml.seam.rows import Verdict
from qml.storage import servers

from .twins import Cut


@pytest.fixture
def storage(store, proxy, led):
    with store.open(led) as storage:
        store.clear()
        storage.driver = Cut(storage.driver, proxy)
        yield storage


def cut_at_each_request(storage, when, call):
    """Call again and again, with the cut one request later each time."""
    moment = 0
    while True:
        cuts = storage.driver.cuts
        storage.driver.cut(moment, when)
        call(moment)
        storage.driver.mend()
        if storage.driver.cuts == cuts:
            return moment
        moment += 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sign_of_life(storage, when):
    def beat(number):
        servers.beat(storage, "one", {"number": number})
        [found] = servers.alive(storage)
        assert (found["name"], found["number"]) == ("one", number)

    assert cut_at_each_request(storage, when, beat) == 5  # read, write, two lists; and `alive`


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_farewell(storage, when):
    def leave(number):
        servers.beat(storage, "one", {})
        servers.leave(storage, "one")
        assert servers.alive(storage) == []

    assert cut_at_each_request(storage, when, leave) >= 6


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_version_is_given_once(storage, when, first):
    """Of two who write over the same version one is told that the other was faster."""
    for version in range(first):
        assert storage.driver.write("r", "{}", version) is Verdict.DONE

    def write(number):
        version = first + number
        assert storage.driver.write("r", f"{number}", version) is Verdict.DONE
        assert storage.driver.write("r", "another", version) is Verdict.STALE
        assert storage.driver.read("r") == ("r", version + 1, f"{number}")

    assert cut_at_each_request(storage, when, write) == 3

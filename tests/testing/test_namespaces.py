"""A namespace is beside the user's store, touches nothing of it, and is gone at the end."""

import pytest

from qml import Job, connect
from qml.testing.namespaces import emptied, namespace
from tests.storage.stores import KINDS


@pytest.fixture(params=KINDS)
def users(request, tmp_path):
    return KINDS[request.param](tmp_path)


def test_it_is_another_store_and_gone_afterwards(users):
    with connect(users) as mine:
        mine.enqueue(Job("t", id="mine"))
        with namespace(users) as config, connect(config) as theirs:
            assert theirs.list() == []
            theirs.enqueue(Job("t", id="theirs"))
        with connect(config) as anew:
            assert anew.list() == []
            anew.driver.uninstall()
        assert [job.id for job in mine.list()] == ["mine"]
        mine.driver.uninstall()


def test_two_are_not_one(users):
    if users == "memory://":
        assert connect(users).list() == []  # each connection is a store of its own
        return
    with namespace(users) as one, namespace(users) as other:
        assert one != other


def test_it_is_removed_after_an_error_and_if_nobody_came(users):
    with pytest.raises(ZeroDivisionError), namespace(users):
        raise ZeroDivisionError
    with namespace(users):
        pass


def test_emptied_leaves_nothing(users):
    with connect(users) as storage:
        storage.enqueue_many([Job("t", unique_key=str(n)) for n in range(1200)])
        storage.fetch_and_lock_job("w")
        storage.driver.write("a record", "{}", 0)
        assert emptied(storage) is storage
        assert storage.list() == []
        assert storage.driver.list("") == []
        assert storage.driver.holder("1") is None
        storage.driver.uninstall()

"""A faulty driver fails as it is told, on every storage, and as often as it is told."""

import inspect
import re
import threading

import pytest

from qml import (
    CapacityExceeded,
    ConfigurationError,
    Job,
    MemoryStorage,
    Qml,
    StorageUnavailable,
    Succeeded,
)
from qml.testing import FaultyDriver, transacting, wrapping
from qml.testing import faulty as module
from tests.work.support import MAKERS


@pytest.fixture(params=MAKERS)
def storage(request, tmp_path):
    with MAKERS[request.param](tmp_path) as storage:
        storage.driver = FaultyDriver(storage.driver)
        yield storage


def test_a_call_that_fails_has_no_effect(storage):
    storage.driver.fail("insert")
    with pytest.raises(StorageUnavailable, match="nothing was changed"):
        storage.enqueue(Job("t", id="a"))
    assert storage.get("a") is None
    storage.enqueue(Job("t", id="a"))
    assert storage.get("a")


def test_a_reply_that_is_lost_leaves_the_effect(storage):
    storage.enqueue(Job("t", id="a"))
    claimed = storage.fetch_and_lock_job("w")
    storage.driver.lose_reply("swap")
    with pytest.raises(StorageUnavailable, match="it was carried out"):
        storage.finish(claimed, Succeeded(result=1))
    assert storage.get("a").state.kind == "succeeded"
    assert storage.finish(claimed, Succeeded(result=1)).state.result == 1


def test_faults_come_in_their_order_and_so_often(storage):
    storage.driver.fail(times=2)
    storage.driver.fail("load", CapacityExceeded("full"))
    for expected in (CapacityExceeded, StorageUnavailable, StorageUnavailable):
        with pytest.raises(expected):
            storage.get("a")
    assert storage.get("a") is None


def test_heal_forgets_what_has_not_come(storage):
    storage.driver.fail(times=9)
    storage.driver.heal()
    assert storage.get("a") is None


@pytest.mark.parametrize("after", [False, True])
def test_a_call_stands_still_until_it_is_released(storage, after):
    with storage.driver.hang("insert", after=after) as hang:
        thread = threading.Thread(target=storage.enqueue, args=(Job("t", id="a"),))
        thread.start()
        assert hang.reached()
        assert (storage.get("a") is not None) is after
        assert thread.is_alive()
    thread.join()
    assert storage.get("a")


def test_a_hang_that_nobody_releases_ends(storage, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    hang = storage.driver.hang()
    with pytest.raises(StorageUnavailable, match=r"not released within 0\.01 s"):
        storage.get("a")
    assert hang.reached()


@pytest.mark.parametrize("plan", ["fail", "lose_reply", "hang"])
def test_a_verb_that_no_driver_has_is_refused(plan):
    with MemoryStorage() as storage:
        faulty = FaultyDriver(storage.driver)
        with pytest.raises(ConfigurationError, match="no verb 'enqueue' to break; there are begin"):
            getattr(faulty, plan)("enqueue")


def test_what_passes_by_is_what_can_be_broken():
    sources = [inspect.getsource(wrapping), inspect.getsource(transacting)]
    found = {verb for text in sources for verb in re.findall(r'around\(\s*"(\w+)"', text)}
    assert found == module.VERBS


def test_it_wraps_a_driver_and_no_storage():
    with MemoryStorage() as storage, pytest.raises(ConfigurationError, match=r"give .*\.driver"):
        FaultyDriver(storage)


@pytest.mark.parametrize("given", ["redis://user:secret@host/0", None, Qml("memory://")])
@pytest.mark.parametrize("wrapper", [FaultyDriver, wrapping.WrappedDriver])
def test_what_is_no_driver_is_refused_at_once(wrapper, given):
    with pytest.raises(ConfigurationError, match=r"wraps a driver, and a \w+ is none") as refused:
        wrapper(given)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("plan", ["fail", "lose_reply"])
@pytest.mark.parametrize(
    "wrong", [{"times": 0}, {"times": "2"}, {"error": "boom"}, {"error": OSError}]
)
def test_a_fault_that_would_never_come_is_refused(plan, wrong):
    message = f"{next(iter(wrong))} is .*; give "
    with MemoryStorage() as storage, pytest.raises(ConfigurationError, match=message):
        getattr(FaultyDriver(storage.driver), plan)("swap", **wrong)

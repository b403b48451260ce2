"""A batch of outcomes that the store refuses as a whole is recorded one by one."""

import pytest

from qml import Job, RetryPolicy, StateKind, StorageUnavailable
from qml.work.executor import Snoozed, Succeeded
from qml.work.finisher import Finisher
from qml.work.outage import Outage
from qml.work.runs import Run, Runs
from tests.work.support import Wrapped

DONE = Succeeded(None, 1.0)


class Refusing(Wrapped):
    """``refuse`` says of the changes of a swap what is wrong with them."""

    def __init__(self, driver, refuse):
        super().__init__(driver)
        self.refuse = refuse

    def meet(self, verb, orders):
        error = self.refuse(orders) if verb == "swap" else None
        if error is not None:
            raise error


@pytest.fixture
def storage(memory_app):
    return memory_app.storage


@pytest.fixture
def runs(storage):
    """Claimed runs of the jobs a, b and c."""
    storage.enqueue_many([Job("t", id=name) for name in "abc"])
    return [Run(job) for job in storage.fetch_available_jobs_atomic("w1", 3)]


@pytest.fixture
def finisher(storage, runs):
    held = Runs()
    held.add(runs)
    return Finisher(storage, held, lambda job: RetryPolicy(), Outage())


def kinds(storage):
    return "".join(job.state.kind[0] for job in storage.get_many([*"abc"]))


def test_the_one_that_cannot_be_written_fails_and_says_so(storage, runs, finisher):
    def refuse(orders):
        wrong = any(order.id == "b" and order.state == "succeeded" for order in orders)
        return TypeError("not like that") if wrong else None

    storage.driver = Refusing(storage.driver, refuse)
    finisher.record([(run, DONE) for run in runs])
    assert kinds(storage) == "sfs"
    told = storage.get("b").state.exception
    assert told == "its outcome could not be recorded: TypeError: not like that"
    assert [run.lost for run in runs] == [False, False, False]
    assert finisher.recorded == 3


@pytest.mark.parametrize("at", [1, 2], ids=["the outcome", "the failure instead"])
def test_law11_an_outage_meanwhile_fails_nobody(storage, runs, finisher, at):
    """The store goes away in the middle of it: all of them wait, and none is given up."""
    singly = []

    def refuse(orders):
        if len(orders) > 1:
            return TypeError("not all at once")
        singly.append(orders[0].state)
        if len(singly) == at:
            return StorageUnavailable("away")
        return TypeError("not like that") if at == 2 and len(singly) == 1 else None

    plain = storage.driver
    storage.driver = Refusing(plain, refuse)
    with pytest.raises(StorageUnavailable, match="away"):
        finisher.record([(run, DONE) for run in runs])
    assert singly == ["succeeded", "failed"][:at]
    assert kinds(storage) == "ppp"
    storage.driver = plain
    finisher.record([(run, DONE) for run in runs])
    assert kinds(storage) == "sss"


def test_what_cannot_be_recorded_at_all_is_told(storage, runs, finisher, caplog):
    refused = TypeError("never")
    storage.driver = Refusing(
        storage.driver, lambda orders: refused if any(o.id == "b" for o in orders) else None
    )
    finisher.record([(run, DONE) for run in runs])
    assert kinds(storage) == "sps"
    assert [run.lost for run in runs] == [False, True, False]
    assert "job b (t): not even a failure could be recorded (never); once its lease" in caplog.text


def test_a_snooze_that_comes_too_late_is_told(storage, runs, finisher, caplog):
    storage.cancel("b")
    finisher.record([(run, Snoozed(5.0)) for run in runs])
    assert [run.lost for run in runs] == [False, True, False]
    assert [job.state.kind for job in storage.get_many([*"abc"])] == [
        StateKind.AWAITING_RETRY,
        StateKind.DELETED,
        StateKind.AWAITING_RETRY,
    ]
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith("job b (t): the claim of w1 (fence 1) is over")

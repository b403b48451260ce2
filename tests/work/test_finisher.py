"""The finisher: outcomes are recorded in batches, each once, whatever the store does."""

import re
import threading

import pytest

from qml import Job, RetryPolicy, StateKind, StorageError
from qml.work.executor import Discarded, Raised, Snoozed, Succeeded
from qml.work.finisher import MOST, Finisher
from qml.work.outage import Outage
from qml.work.runs import Run, Runs
from tests.work.support import Counting, Failing, Paused, eventually

DONE = Succeeded({"n": 1}, 1.0)
AT_ONCE = RetryPolicy(base=0)


class Bench:
    """A finisher, and claimed runs to feed it with."""

    def __init__(self, storage, policy=AT_ONCE):
        self.storage = storage
        self.runs = Runs()
        self.finisher = Finisher(storage, self.runs, lambda job: policy, Outage())
        self.thread = threading.Thread(target=self.finisher.loop)

    def claim(self, number):
        self.storage.enqueue_many([Job("t") for _ in range(number)])
        jobs = self.storage.fetch_available_jobs_atomic("w", number)
        runs = [Run(job) for job in jobs]
        self.runs.add(runs)
        return runs

    def states(self, runs):
        return [job.state.kind.value for job in self.storage.get_many([r.job.id for r in runs])]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.finisher.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def bench(storage):
    return Bench(storage)


def test_every_outcome_becomes_a_state(bench):
    runs = bench.claim(4)
    outcomes = [DONE, Raised("E: x", ""), Discarded("gone"), Snoozed(60.0)]
    bench.finisher.record(list(zip(runs, outcomes, strict=True)))
    assert bench.states(runs) == ["succeeded", "enqueued", "deleted", "awaiting_retry"]
    assert bench.runs.held() == []
    assert bench.finisher.recorded == 3


def test_outcomes_that_come_during_a_write_make_up_one_batch(bench):
    count = bench.storage.driver = Counting(bench.storage.driver)
    pause = bench.storage.driver = Paused(count)
    runs = bench.claim(60)
    entered, go = threading.Event(), threading.Event()

    def hold_up():
        entered.set()
        go.wait(30)

    pause.before["swap"] = hold_up
    with bench:
        bench.finisher.put(runs[0], DONE)
        assert entered.wait(30)
        for run in runs[1:]:
            bench.finisher.put(run, DONE)
        go.set()
        eventually(lambda: not bench.runs.held())
    assert count.swaps == [1, 59]
    assert bench.states(runs) == ["succeeded"] * 60


def test_a_batch_has_a_limit(bench):
    count = bench.storage.driver = Counting(bench.storage.driver)
    for run in bench.claim(MOST + 1):
        bench.finisher.put(run, DONE)
    with bench:
        eventually(lambda: not bench.runs.held())
    assert count.swaps == [MOST, 1]


def test_a_stop_records_what_waits(bench):
    runs = bench.claim(20)
    for run in runs:
        bench.finisher.put(run, DONE)
    bench.finisher.stop()
    bench.finisher.loop()
    assert bench.states(runs) == ["succeeded"] * 20


# -- outages -------------------------------------------------------------------------------------


def test_law11_a_failed_write_is_tried_again(bench):
    failing = bench.storage.driver = Failing(bench.storage.driver, {"swap": 2})
    runs = bench.claim(5)
    with bench:
        for run in runs:
            bench.finisher.put(run, DONE)
        eventually(lambda: not bench.runs.held())
    assert failing.failed["swap"] == 2
    assert bench.states(runs) == ["succeeded"] * 5
    assert not any(run.lost for run in runs)


def test_law9_a_write_whose_answer_got_lost_is_a_write(bench):
    failing = bench.storage.driver = Failing(bench.storage.driver, {"swap": 1})
    failing.lost = {"swap"}
    runs = bench.claim(4)
    outcomes = [DONE, Raised("E: x", "trace"), Discarded("gone"), Snoozed(60.0)]
    with bench:
        for run, outcome in zip(runs, outcomes, strict=True):
            bench.finisher.put(run, outcome)
        eventually(lambda: not bench.runs.held())
    assert bench.states(runs) == ["succeeded", "enqueued", "deleted", "awaiting_retry"]
    jobs = bench.storage.get_many([run.job.id for run in runs])
    assert [job.version for job in jobs] == [2] * 4
    assert len(jobs[1].failures) == 1
    assert not any(run.lost for run in runs)


def test_law11_no_error_of_a_store_ends_the_thread(bench):
    failing = bench.storage.driver = Failing(bench.storage.driver, {"swap": 2})
    failing.error = StorageError
    runs = bench.claim(3)
    with bench:
        for run in runs:
            bench.finisher.put(run, DONE)
        eventually(lambda: not bench.runs.held())
        assert bench.thread.is_alive()
    assert bench.states(runs) == ["succeeded"] * 3


def test_an_error_of_another_kind_is_logged_and_tried_again(bench, caplog, monkeypatch):
    record, failed = bench.finisher.record, []

    def once(batch):
        if not failed:
            failed.append(batch)
            raise RuntimeError("not foreseen")
        record(batch)

    monkeypatch.setattr(bench.finisher, "record", once)
    [run] = bench.claim(1)
    with bench:
        bench.finisher.put(run, DONE)
        eventually(lambda: not bench.runs.held())
    [told] = [told.getMessage() for told in caplog.records if told.exc_info]
    assert re.search(r" failed: not foreseen; trying again in \d\.\d s$", told)
    assert bench.states([run]) == ["succeeded"]


def test_a_stop_gives_a_store_that_is_gone_a_last_chance_and_ends(bench):
    failing = bench.storage.driver = Failing(bench.storage.driver, {"swap": 3})
    runs = bench.claim(1)
    bench.finisher.put(runs[0], DONE)
    bench.finisher.stop()  # the loop has pauses between its last tries, so a blip is survived
    bench.finisher.loop()
    assert bench.states(runs) == ["succeeded"]

    failing.plan = {"swap": 10**6}
    runs = bench.claim(1)
    bench.finisher.put(runs[0], DONE)
    bench.finisher.loop()  # returns
    assert bench.states(runs) == ["processing"]
    assert failing.failed["swap"] <= 3 + 5


def test_a_store_that_was_closed_is_not_waited_for(bench, caplog):
    """Nor is what it cannot take any more: a stop would wait for that until its grace is over."""
    runs = bench.claim(2)
    bench.storage.close()
    for run in runs:
        bench.finisher.put(run, DONE)
    with bench:
        assert bench.runs.wait_until_empty(10)
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert re.fullmatch(r"giving up on \d outcomes: .* closed; .*; their jobs run again", told[0])


# -- lost claims and bad items -------------------------------------------------------------------


def test_law5_a_lost_claim_in_a_batch_is_refused_alone(bench, clock):
    runs = bench.claim(3)
    clock.advance(31)
    bench.storage.renew([runs[0].job, runs[2].job])
    assert [job.id for job in bench.storage.rescue()] == [runs[1].job.id]
    bench.finisher.record([(run, DONE) for run in runs])
    assert bench.states(runs) == ["succeeded", "awaiting_retry", "succeeded"]
    assert [run.lost for run in runs] == [False, True, False]
    assert bench.runs.held() == []


def test_law5_a_lost_claim_cannot_snooze(bench, clock):
    [run] = bench.claim(1)
    clock.advance(31)
    bench.storage.rescue()
    before = bench.storage.get(run.job.id)
    bench.finisher.record([(run, Snoozed(5.0))])
    assert run.lost
    assert bench.storage.get(run.job.id) == before


def test_one_bad_item_takes_no_other_down(bench):
    runs = bench.claim(3)
    with bench:
        bench.finisher.put(runs[0], DONE)
        bench.finisher.put(runs[1], Succeeded(object(), 1.0))  # the executor never lets it through
        bench.finisher.put(runs[2], DONE)
        eventually(lambda: not bench.runs.held())
    assert bench.states(runs) == ["succeeded", "failed", "succeeded"]
    bad = bench.storage.get(runs[1].job.id)
    assert "its outcome could not be recorded" in bad.state.exception
    assert "object" in bad.state.exception


def test_a_bad_item_that_only_the_storage_sees_takes_no_other_down(bench):
    runs = bench.claim(3)
    bench.storage.max_job_bytes = 100
    with bench:
        for run, size in zip(runs, (10, 200, 10), strict=True):
            bench.finisher.put(run, Succeeded("x" * size, 1.0))
        eventually(lambda: not bench.runs.held())
    assert bench.states(runs) == ["succeeded", "failed", "succeeded"]
    assert "more than the 100 allowed" in bench.storage.get(runs[1].job.id).state.exception


def test_an_item_that_cannot_be_recorded_at_all_is_left_to_rescue(bench, clock):
    class Refusing(Counting):
        def meet(self, verb, orders):
            if verb == "swap" and any(move.id == bad.job.id for move in orders):
                raise RuntimeError("no reason known")

    runs = bench.claim(3)
    bad = runs[1]
    plain, bench.storage.driver = bench.storage.driver, Refusing(bench.storage.driver)
    with bench:
        for run in runs:
            bench.finisher.put(run, DONE)
        eventually(lambda: not bench.runs.held())
    assert bench.states(runs) == ["succeeded", "processing", "succeeded"]
    assert [run.lost for run in runs] == [False, True, False]
    bench.storage.driver = plain
    clock.advance(31)
    assert [job.id for job in bench.storage.rescue()] == [bad.job.id]


@pytest.mark.parametrize("kind", ["raises", "overflows"])
def test_a_policy_that_fails_is_the_jobs_failure(storage, kind):
    class Broken(RetryPolicy):
        def delay(self, retry_number):
            if kind == "overflows":
                return 1e15  # no calendar reaches so far
            raise KeyError("rate")

    bench = Bench(storage, Broken())
    runs = bench.claim(2)
    with bench:
        bench.finisher.put(runs[0], Raised("E: x", ""))
        bench.finisher.put(runs[1], DONE)
        eventually(lambda: not bench.runs.held())
    assert bench.states(runs) == ["failed", "succeeded"]
    assert bench.storage.get(runs[0].job.id).state.kind is StateKind.FAILED

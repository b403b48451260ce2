"""The chores, each as a step taken by hand: renew, watch, limit, rescue, purge, heartbeat."""

import logging
import threading
import time
from datetime import timedelta
from functools import partial

import pytest

import qml
from qml import CapacityExceeded, Job, Retention, StateKind, StorageUnavailable
from qml.storage import servers, terms
from qml.work import chores
from qml.work import rounds as rounds_module
from qml.work.chores import Keeper, Upkeep
from qml.work.executor import Succeeded
from qml.work.outage import Outage
from qml.work.pool import Pool
from qml.work.rounds import Chore, Rounds
from qml.work.runs import Run, Runs
from tests.work.support import Failing, eventually

DONE = qml.Succeeded(result=1)
CHORES = (("a", 0.5), ("b", 0.5), ("c", 1.0))


class Bench:
    """A keeper over claimed runs; what it records is kept."""

    def __init__(self, storage, lease=30.0):
        self.storage, self.runs, self.recorded = storage, Runs(), []
        self.gate = threading.Event()
        self.back = []
        self.pool = Pool(1, self._execute, lambda run, outcome: None, self._came_back, "p")
        self.keeper = Keeper(storage, self.runs, self.pool, self._record, lease)

    def _execute(self, run):
        run.start()
        assert self.gate.wait(30)
        return Succeeded(None, 0.0)

    def _came_back(self, run):
        self.runs.forget_late(run)
        self.back.append(run)

    def _record(self, run, outcome):
        self.recorded.append((run, outcome))

    def claim(self, number=1, **job):
        self.storage.enqueue_many([Job("t", **job) for _ in range(number)])
        runs = [Run(job) for job in self.storage.fetch_available_jobs_atomic("w", number)]
        self.runs.add(runs)
        return runs

    def lease_of(self, run):
        return self.storage.get(run.job.id).lease_expires_at


@pytest.fixture
def bench(storage):
    bench = Bench(storage)
    yield bench
    bench.gate.set()
    bench.pool.close()


# -- renewal -------------------------------------------------------------------------------------


def test_law4_claims_are_renewed_running_or_not(bench, clock):
    running, waiting = bench.claim(2)
    running.start()
    clock.advance(20)
    for run in (running, waiting):
        run.renewed_at -= 20
    bench.keeper.renew()
    for run in (running, waiting):
        assert bench.lease_of(run) == clock.now() + timedelta(seconds=30)
    clock.advance(29)
    assert bench.storage.rescue() == []


def test_law4_a_fresh_claim_is_not_renewed(bench, clock):
    [run] = bench.claim()
    before = bench.lease_of(run)
    clock.advance(1)
    bench.keeper.renew()
    assert bench.lease_of(run) == before


def test_law4_a_lease_is_renewed_at_least_twice_within_its_term(storage):
    """Each run is renewed at the first step when a quarter of its term is over."""
    keeper = Keeper(storage, Runs(), None, None, 8.0)
    [renewal] = [chore for chore in keeper.chores() if chore.step == keeper.renew]
    worst = 8.0 / 4 + renewal.period
    assert 2 * worst < 8.0


def test_law5_a_claim_that_is_over_is_marked_once(bench, clock, caplog):
    kept, gone = bench.claim(2)
    bench.storage.delete(gone.job.id)
    for _ in range(3):
        for run in (kept, gone):
            run.renewed_at -= 20
        bench.keeper.renew()
    assert (kept.lost, gone.lost) == (False, True)
    assert caplog.text.count("this server's claim is over") == 1
    assert gone.job.id in caplog.text


def test_a_run_whose_outcome_is_recorded_meanwhile_is_not_told_as_lost(bench, caplog):
    """The answer to its finish is still on its way from a store that is far, or slow."""
    [run] = bench.claim()
    run.renewed_at -= 20
    run.ended = True
    bench.storage.finish(run.job, DONE)
    bench.keeper.renew()
    assert not run.lost
    assert not caplog.records


def test_law4_a_cancelled_run_keeps_its_lease(bench, clock):
    [run] = bench.claim()
    bench.storage.cancel(run.job.id)
    clock.advance(20)
    run.renewed_at -= 20
    bench.keeper.renew()
    assert not run.lost
    assert bench.lease_of(run) == clock.now() + timedelta(seconds=30)


def test_law4_renewed_at_every_point_round_its_finish_a_job_stays_done(bench, clock):
    [run] = bench.claim()
    run.renewed_at -= 20
    bench.storage.finish(run.job, DONE)
    for _ in range(2):  # recorded, and not yet known here; then known
        bench.keeper.renew()
        job = bench.storage.get(run.job.id)
        assert (job.state.kind, job.lease_expires_at, job.version) == ("succeeded", None, 2)
        assert not bench.storage.renew([run.job])[0]
        bench.runs.remove([run])
    clock.advance(100)
    assert bench.storage.rescue() == []


# -- watching for cancelled jobs -----------------------------------------------------------------


def test_runs_of_a_second_learn_that_their_job_is_gone(bench):
    going, cancelled, deleted, young = bench.claim(4)
    for run in (going, cancelled, deleted):
        run.start()
        run.started_at -= 1
    young.start()
    for run in (cancelled, young):
        bench.storage.cancel(run.job.id)
    bench.storage.delete(deleted.job.id)
    bench.keeper.watch()
    told = [(run.cancelled, run.lost) for run in (going, cancelled, deleted, young)]
    assert told == [(False, False), (True, False), (False, True), (False, False)]


def test_a_job_enqueued_again_under_its_id_is_another(bench):
    [run] = bench.claim(id="same")
    run.start()
    run.started_at -= 1
    bench.storage.delete("same")
    bench.storage.enqueue(Job("t", id="same"))
    bench.keeper.watch()
    assert run.lost
    assert not run.cancelled


def test_a_later_claim_that_was_cancelled_does_not_cancel_an_older_run(bench, clock):
    [run] = bench.claim()
    run.start()
    run.started_at -= 1
    clock.advance(31)
    bench.storage.rescue()
    clock.advance(10)
    bench.storage.fetch_and_lock_job("other")
    bench.storage.cancel(run.job.id)
    bench.keeper.watch()
    assert not run.cancelled


# -- time limits ---------------------------------------------------------------------------------


def test_a_run_over_its_limit_is_recorded_and_its_thread_replaced(bench, caplog):
    [late] = bench.claim(timeout_seconds=5)
    bench.pool.start()
    bench.pool.put([late])
    eventually(lambda: late.started_at)
    bench.keeper.limit()
    assert bench.recorded == []
    late.deadline -= 5
    bench.keeper.limit()
    bench.keeper.limit()
    [(run, outcome)] = bench.recorded
    assert run is late
    assert outcome.exception == "TimeoutError: attempt 1 ran longer than 5 s"
    assert late.overdue
    assert bench.pool.room()[0] == 1
    assert bench.runs.late() == [late]
    assert bench.runs.is_late_here(late.job)
    assert late.job.id in caplog.text
    bench.gate.set()
    eventually(lambda: bench.back == [late])
    assert bench.runs.late() == []


def test_a_late_run_stops_to_be_a_reason_to_wait_after_its_limit_again(bench):
    [late] = bench.claim(timeout_seconds=5)
    late.start()
    bench.runs.note_late(late)
    assert bench.runs.is_late_here(late.job)
    late.deadline -= 9.9
    assert bench.runs.is_late_here(late.job)
    late.deadline -= 0.2
    assert not bench.runs.is_late_here(late.job)


def test_a_run_that_came_back_while_it_was_replaced_is_not_late_for_ever(bench):
    [run] = bench.claim(timeout_seconds=5)
    run.start()
    run.ended = True
    bench.runs.forget_late(run)  # its thread, first
    bench.runs.note_late(run)  # the keeper, second
    assert bench.runs.late() == []


def test_a_run_that_has_no_limit_or_did_not_start_is_left_alone(bench):
    unlimited, waiting = bench.claim(1)[0], bench.claim(1, timeout_seconds=1)[0]
    unlimited.start()
    waiting.claimed_at -= 100
    bench.keeper.limit()
    assert bench.recorded == []


# -- upkeep --------------------------------------------------------------------------------------


def test_what_is_ended_without_a_start_is_told_with_its_reason(storage, clock, caplog):
    upkeep = Upkeep(storage, lambda: None, Outage())
    first = storage.enqueue(Job("t"))
    after = storage.enqueue(Job("u", after=(first.id,)))
    storage.cancel(first.id)
    upkeep.expire()
    told = f"1 waiting job is ended, and not started: {after.id} (u), not started: what"
    assert told in caplog.text


def test_law4_rescue_takes_orphans_and_says_so(storage, clock, caplog):
    upkeep = Upkeep(storage, lambda: None, Outage())
    jobs = storage.enqueue_many([Job("t", max_retries=0), Job("t"), Job("t")])
    storage.fetch_available_jobs_atomic("dead", 2)
    storage.fetch_available_jobs_atomic("alive", 1, lease_seconds=60)
    clock.advance(30)
    upkeep.rescue()
    kinds = [storage.get(job.id).state.kind.value for job in jobs]
    assert kinds == ["failed", "awaiting_retry", "processing"]
    assert caplog.text.count("rescued job") == 2
    assert caplog.text.count("WorkerLost: worker dead") == 2


def test_law13_purge_removes_what_is_old_in_small_steps(storage, clock):
    upkeep = Upkeep(storage, lambda: None, Outage())
    storage.enqueue_many([Job("t") for _ in range(1500)])
    claimed = storage.fetch_available_jobs_atomic("w", 1500)
    storage.finish_many([(job, DONE) for job in claimed])
    storage.enqueue(Job("t"))
    clock.advance(7 * 86_400 - 1)
    upkeep.purge()
    assert storage.get_job_counts()["succeeded"] == 1500
    clock.advance(1)
    left = {kind: 1 if kind is StateKind.ENQUEUED else 0 for kind in StateKind}
    eventually(lambda: upkeep.purge() is not None)
    assert storage.get_job_counts() == left


def test_where_nothing_is_to_be_removed_it_is_looked_for_less_often(storage, clock):
    upkeep = Upkeep(storage, lambda: None, Outage())
    [chore] = [chore for chore in upkeep.chores() if chore.step == upkeep.purge]
    storage.enqueue(Job("t"))
    storage.finish(storage.fetch_and_lock_job("w"), DONE)
    assert chore.step() == chores.PURGED == 3 * chore.period
    clock.advance(8 * 86_400)
    assert chore.step() is None
    assert chore.step() == chores.PURGED


def test_a_purge_first_tells_by_what_terms(storage):
    storage.retention = kept = Retention(failed=60)
    Upkeep(storage, lambda: None, Outage()).purge()
    assert terms.told(storage) == kept
    storage.retention = Retention()  # another server, by the usual terms
    Upkeep(storage, lambda: None, Outage()).purge()
    assert storage.driver.list("retention") == []
    assert terms.told(storage) == Retention()


def test_a_full_store_that_takes_no_record_is_purged(storage, clock):
    storage.retention = Retention(succeeded=60)
    upkeep = Upkeep(storage, lambda: None, Outage())
    storage.enqueue(Job("t"))
    storage.finish(storage.fetch_and_lock_job("w"), DONE)
    clock.advance(60)
    full = storage.driver = Failing(storage.driver, {"write": 1})
    full.error = CapacityExceeded
    assert upkeep.purge() is None
    assert full.failed["write"] == 1
    upkeep.purge()
    assert terms.told(storage) == storage.retention


def test_a_heartbeat_sets_the_clock_and_tells_who_lives(storage, clock, monkeypatch):
    synced = []
    monkeypatch.setattr(type(clock), "sync", lambda self: synced.append(True))
    Upkeep(storage, lambda: servers.beat(storage, "s1", {"threads": 2}), Outage()).heartbeat()
    clock.advance(5)
    [known] = servers.alive(storage)
    assert known == {"name": "s1", "threads": 2, "silent_seconds": 5.0}
    assert synced


def test_law13_the_long_silent_are_struck_off(storage, clock):
    servers.beat(storage, "old", {})
    clock.advance(601)
    servers.beat(storage, "new", {})
    assert [known["name"] for known in servers.alive(storage)] == ["new"]


# -- the loop around -----------------------------------------------------------------------------


class Loop:
    def __init__(self, *chores):
        self.rounds = Rounds(chores, Outage())
        self.thread = threading.Thread(target=self.rounds.loop)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.rounds.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_each_chore_has_its_period():
    often, seldom = [], []
    start = time.monotonic()
    with Loop(
        Chore("often", 0.01, lambda: often.append(1)),
        Chore("seldom", 60, lambda: seldom.append(1)),
    ):
        eventually(lambda: len(often) >= 5)
    assert len(seldom) == 1
    assert time.monotonic() - start >= 0.04


def test_who_is_up_takes_what_would_be_due_soon(monkeypatch):
    """An idle server costs what it costs to wake up."""
    now, naps, taken = [1000.0], [], []
    monkeypatch.setattr(rounds_module.time, "monotonic", lambda: now[0])

    def take(name):
        taken.append(name)
        now[0] += 0.0 if naps else 0.02  # at first they are apart

    def nap(seconds):
        naps.append(seconds)
        now[0] += seconds
        if len(naps) == 20:
            rounds.stop()

    rounds = Rounds([Chore(name, each, partial(take, name)) for name, each in CHORES], Outage())
    monkeypatch.setattr(rounds, "_rest", nap)
    rounds.loop()
    assert (taken.count("a"), taken.count("b"), taken.count("c")) == (20, 20, 10)
    assert sum(naps) >= 20 * 0.5 * 0.9


@pytest.mark.parametrize("error", [StorageUnavailable("down"), ValueError("a bug")])
def test_law11_a_chore_that_fails_is_tried_again_and_stops_no_other(error, caplog):
    taken, others = [], []

    def bad():
        taken.append(1)
        if len(taken) < 3:
            raise error

    caplog.set_level(logging.WARNING, "qml.server")
    with Loop(Chore("bad", 0.01, bad), Chore("good", 0.01, lambda: others.append(1))):
        eventually(lambda: len(taken) >= 5 and len(others) >= 5)
    said = caplog.text.count("bad")
    assert said == 1 if isinstance(error, StorageUnavailable) else said >= 2


def test_law11_an_outage_is_asked_about_less_and_less_and_then_soon_again():
    chore = Chore("x", 1000.0, lambda: None)
    pauses = [chore.backoff.next() for _ in range(12)]
    assert 0.1 <= pauses[0] <= 0.15
    assert all(5.0 <= pause <= 7.5 for pause in pauses[6:])
    chore.backoff.reset()
    assert chore.backoff.next() <= 0.15


def test_law11_no_chore_of_a_server_minds_an_outage(app):
    server = app.server()
    app.task(name="t")(lambda: None).enqueue()
    app.storage.driver = Failing(app.storage.driver)
    for chore in (*server.keeper.chores(), *server.upkeep.chores()):
        for verb in ("hold", "load", "scan", "swap", "erase", "read", "write", "list"):
            app.storage.driver.plan = {verb: 1}
            rounds = Rounds([chore], Outage())
            rounds._take(chore)
            rounds._take(chore)
    app.storage.driver.plan = {}
    assert server.step() == 1

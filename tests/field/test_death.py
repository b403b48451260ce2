"""Death and shutdown: killed workers, signals, deadlines. Real processes where one has to die."""

import re
import signal
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest

from qml import Job, JobLost, Qml, RetryPolicy, Server, SqliteStorage, StateKind, Succeeded
from qml.storage import servers
from qml.work import kernel
from qml.work.chores import Upkeep
from qml.work.outage import Outage
from tests.field.tasks import make
from tests.work.support import Failing, Gate, Paused, eventually, other_connection

LEASE = 0.6


# -- killed ----------------------------------------------------------------------------------------


def test_law4_a_killed_workers_job_runs_once_more_within_lease_and_sweep(site):
    """spinach 5, huey 418, lq 1, pro 740, rq 2015: it stayed "running" for ever."""
    job = site.enqueue("wait_for", "go")
    doomed = site.serve(threads=1, lease_seconds=LEASE)
    eventually(lambda: site.diary.lines("began"))
    heir = site.serve(threads=1, lease_seconds=LEASE)
    doomed.kill()
    killed = time.monotonic()
    eventually(lambda: len(site.diary.lines("began")) == 2)
    took = time.monotonic() - killed
    site.touch("go")
    done = site.until(job, "succeeded")
    assert took < LEASE + 1.0 + 10  # the lease, a sweep, and a slow machine
    assert done.attempt == 2
    assert done.state.result == f"found go in {heir.pid}"
    [failure] = done.failures  # a visible event
    assert re.search(rf"WorkerLost: worker \S+-{doomed.pid}-\S+ did not renew", failure.exception)
    eventually(lambda: f"rescued job {job.id} (wait_for), now" in heir.err.read_text())
    assert [line[2] for line in site.diary.lines("began")] == [1, 2]


@pytest.mark.skipif(kernel.this() is None, reason="this system tells nobody who lives")
def test_law4_where_the_kernel_proves_the_death_nobody_waits_for_the_lease(site):
    """With the default lease, 30 seconds."""
    job = site.enqueue("wait_for", "go")
    doomed = site.serve(threads=1)
    eventually(lambda: site.diary.lines("began"))
    site.serve(threads=1)
    eventually(lambda: len(servers.alive(site.storage)) == 2)
    doomed.kill()
    # Two seconds, and a slow machine; a lease that was renewed in time lasts for 18 at least.
    eventually(lambda: len(site.diary.lines("began")) == 2, timeout=17)
    site.touch("go")
    assert site.until(job, "succeeded").attempt == 2
    assert len(servers.alive(site.storage)) == 1


def test_law4_the_default_time_of_recovery_is_as_promised(storage, clock):
    """dq 64, 527: hours or days by default."""
    storage.enqueue(Job("t"))
    lease = storage.fetch_and_lock_job("w").lease_expires_at
    assert lease == clock.now() + timedelta(seconds=30)
    assert Server.__init__.__kwdefaults__["lease_seconds"] == 30.0
    [sweep] = [chore for chore in Upkeep(None, None, Outage()).chores() if "rescue" in chore.name]
    assert sweep.period == 1.0
    assert RetryPolicy().delay(1) == 1.0


def test_law4_killed_in_mid_sweep_the_next_sweep_completes(site):
    """pro 1408: the rescuer was itself a job, stalled, and blocked all."""
    orphans = site.storage.enqueue_many([Job("note") for _ in range(50)])
    site.storage.fetch_available_jobs_atomic("dead", 50, lease_seconds=0.05)
    with other_connection(site.folder / "jobs.db") as held:
        held.execute("BEGIN IMMEDIATE")  # the sweeper has read, and waits to write
        sweeper = site.serve(threads=1)
        time.sleep(0.3)  # long enough to be in it, most often; nothing tells
        sweeper.kill()
        held.execute("ROLLBACK")
    site.serve(threads=1)
    eventually(lambda: site.storage.get_job_counts()["succeeded"] == 50)
    assert Counter(line[1] for line in site.diary.lines("ran")) == Counter(j.id for j in orphans)


def test_law4_a_sweep_that_broke_off_leaves_no_lock(storage, clock):
    storage.enqueue_many([Job("t") for _ in range(5)])
    storage.fetch_available_jobs_atomic("dead")
    clock.advance(31)
    plain, killed = storage.driver, Paused(storage.driver)

    def die():
        raise KeyboardInterrupt

    killed.before["swap"] = die
    storage.driver = killed
    with pytest.raises(KeyboardInterrupt):
        storage.rescue()
    storage.driver = plain
    assert len(storage.rescue()) == 5


def test_law9_killed_between_effect_and_record_it_runs_again(site):
    """River, Graphile: buffered finishes. The effect is there, the record is not."""
    with other_connection(site.folder / "jobs.db") as held:
        job = site.enqueue("note")
        doomed = site.serve(threads=1, lease_seconds=LEASE)
        eventually(lambda: site.state(job) == "processing" or site.diary.lines("ran"))
        eventually(lambda: site.diary.lines("ran"))
        held.execute("BEGIN IMMEDIATE")
        doomed.kill()
        held.execute("ROLLBACK")
    site.serve(threads=1, lease_seconds=LEASE)
    done = site.until(job, "succeeded")
    ran = len(site.diary.lines("ran"))
    assert ran in {1, 2}  # the kill may have come after the record
    assert done.attempt == ran


def test_law9_buffered_outcomes_that_die_with_their_process_run_again(make_storage, clock):
    """As above, at the exact moment: the process ends with outcomes in its finisher."""
    storage = make_storage(clock=clock, retry=RetryPolicy(base=0))
    app, effects = Qml(storage), []
    task = app.task(name="t")(effects.append)
    jobs = task.enqueue_many([(n,) for n in range(3)])
    doomed = app.server()
    doomed.finisher.record = lambda batch: None
    assert doomed.step() == 3
    assert effects == [0, 1, 2]
    assert app.server().step() == 0
    clock.advance(31)
    storage.rescue()
    assert app.server().step() == 3
    assert effects == [0, 1, 2] * 2
    assert [storage.get(job.id).attempt for job in jobs] == [2, 2, 2]


def test_law4_claimed_ahead_and_killed_is_given_back_uncharged_once(storage, clock):
    jobs = storage.enqueue_many([Job("t", max_retries=0) for _ in range(3)])
    storage.claim("dead", 1, ahead=2)
    clock.advance(31)
    storage.rescue()
    kinds = [storage.get(job.id).state.kind.value for job in jobs]
    assert kinds == ["failed", "enqueued", "enqueued"]
    assert storage.get(jobs[1].id).attempt == 0
    [second] = storage.claim("dead", 1, ahead=5).jobs  # and the third not ahead again
    assert (second.id, second.attempt) == (jobs[1].id, 1)
    assert storage.claim("x", 0, ahead=5).jobs == []


# -- stopped ---------------------------------------------------------------------------------------


def test_law4_sigterm_records_what_ends_and_hands_the_rest_back(site):
    """cel 3802, pgq 630: finished work run again, rows left taken."""
    short, long = site.enqueue("sleep", 0.5), site.enqueue("sleep", 60)
    server = site.serve(threads=2, grace_seconds=1.5)
    eventually(lambda: len(site.diary.lines("began")) == 2)
    server.signal(signal.SIGTERM)
    signalled = time.monotonic()
    assert server.ended() == 0
    assert time.monotonic() - signalled < 15
    first, second = site.storage.get(short.id), site.storage.get(long.id)
    assert (first.state.kind, first.state.result, first.attempt) == ("succeeded", "slept", 1)
    assert (second.state.kind, second.attempt, second.lease_expires_at) == ("enqueued", 0, None)
    assert site.storage.get_job_counts()["processing"] == 0
    assert "handed back 1" in server.out.read_text()
    assert site.storage.fetch_and_lock_job("next").id == long.id  # ready at once


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_law4_a_second_signal_hands_back_at_once(site, number):
    """huey 213, 856: SIGTERM meant kill; a second signal could not force."""
    job = site.enqueue("wait_for", "never")
    server = site.serve(threads=1, grace_seconds=600, lease_seconds=600)
    eventually(lambda: site.diary.lines("began"))
    server.signal(number)
    with pytest.raises(Exception, match="timed out"):
        server.ended(timeout=1)  # it drains
    assert site.state(job) == "processing"
    server.signal(number)
    assert server.ended(timeout=20) == 0
    stored = site.storage.get(job.id)
    assert (stored.state.kind, stored.attempt, stored.failures) == ("enqueued", 0, ())


def test_law5_stopped_past_its_lease_and_woken_it_changes_nothing(site):
    """taskito 0.22: SIGSTOP, the lease lapses, another runs the job, SIGCONT."""
    job = site.enqueue("wait_for", "first")
    sleeper = site.serve(threads=1, lease_seconds=LEASE)
    eventually(lambda: site.diary.lines("began"))
    sleeper.freeze(site.folder / "jobs.db")
    heir = make(site.folder)
    eventually(heir.storage.rescue)
    second = eventually(lambda: heir.storage.fetch_and_lock_job("heir"))
    assert (second.id, second.attempt) == (job.id, 2)
    site.touch("first")  # its task returns as soon as it wakes
    sleeper.signal(signal.SIGCONT)
    eventually(lambda: site.diary.lines("ended"))
    eventually(lambda: f"job {job.id} (wait_for): the claim of" in sleeper.err.read_text())
    assert heir.storage.get(job.id) == second  # the second run is going on, untouched
    heir.storage.finish(second, Succeeded(result="by the heir"))
    other = site.enqueue("note")
    site.until(other, "succeeded")  # the sleeper works again
    assert site.storage.get(job.id).state.result == "by the heir"
    heir.close()


@pytest.mark.parametrize("seed", range(20))
def test_law1_a_retry_exactly_at_the_deadline_is_one_row_with_one_outcome(tmp_path, seed):
    """Sidekiq 4115: hard stop requeued while the dying thread inserted a retry: two rows."""
    with SqliteStorage(tmp_path / "jobs.db", durability="normal") as storage:
        app, gate = Qml(storage), Gate()

        @app.task(name="t", retry=RetryPolicy(base=100))
        def task():
            gate.wait()
            raise ValueError("at the deadline")

        task.enqueue()
        server = app.server(threads=1, lease_seconds=600).start()
        gate.someone_waits()
        deadline = 0.02
        threading.Timer(deadline + (seed - 10) * 0.0004, gate.open).start()
        server.stop(grace_seconds=deadline)
        eventually(lambda: server.pool._threads == 0)
        [job] = storage.list()
        assert job.version == 2  # claimed, and one thing more
        outcome = (job.state.kind, job.attempt, len(job.failures))
        assert outcome in {("awaiting_retry", 1, 1), ("enqueued", 0, 0)}


# -- finishes that meet trouble --------------------------------------------------------------------


def test_law9_a_finish_that_was_refused_once_is_recorded_and_no_failure(make_storage):
    """rq 2424: a finish met a conflict, was replayed with half of it gone; "abandoned" later."""
    app = Qml(make_storage(retry=RetryPolicy(base=0)))
    failing = app.storage.driver = Failing(app.storage.driver)
    job = app.task(name="t")(lambda: failing.plan.update(swap=1) or "done").enqueue()
    with app.server(threads=1, lease_seconds=LEASE):
        assert app.result(job, timeout=20) == "done"
        assert failing.failed["swap"] == 1
        app.storage.rescue()
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.failures, stored.version) == ("succeeded", (), 2)


def test_law9_a_finish_whose_answer_got_lost_is_no_loss(make_storage):
    app = Qml(make_storage())
    failing = app.storage.driver = Failing(app.storage.driver)
    failing.lost = {"swap"}
    job = app.task(name="t")(lambda: failing.plan.update(swap=1) or "done").enqueue()
    with app.server(threads=1):
        assert app.result(job, timeout=20) == "done"
        eventually(lambda: failing.failed["swap"] == 1)
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.version) == (StateKind.SUCCEEDED, 2)


def test_law5_a_lapsed_item_in_a_batch_is_refused_alone(storage, clock):
    storage.enqueue_many([Job("t") for _ in range(5)])
    claimed = storage.fetch_available_jobs_atomic("w")
    clock.advance(29)
    storage.renew([*claimed[:2], *claimed[3:]])
    clock.advance(2)
    storage.rescue()
    answers = storage.finish_many([(job, Succeeded(result=job.seq)) for job in claimed])
    assert [isinstance(answer, JobLost) for answer in answers] == [False, False, True, False, False]
    kinds = [storage.get(job.id).state.kind.value for job in claimed]
    assert kinds == ["succeeded"] * 2 + ["awaiting_retry"] + ["succeeded"] * 2


def test_law4_a_lapsed_claim_that_nobody_took_may_still_finish(storage, clock):
    storage.enqueue(Job("t"))
    job = storage.fetch_and_lock_job("w")
    clock.advance(10_000)
    assert storage.finish(job, Succeeded(result=1)).state.result == 1
    assert storage.rescue() == []

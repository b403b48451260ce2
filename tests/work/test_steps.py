"""Steps of a job: done once, kept before the task goes on, fenced; and what cannot be kept."""

import json
import os
import signal
import threading
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qml import (
    ConfigurationError,
    Job,
    JobCancelled,
    JobLost,
    JobTimeout,
    ManualClock,
    MemoryStorage,
    Qml,
    RetryPolicy,
    StorageUnavailable,
    current_job,
)
from qml.testing import FaultyDriver, drain
from qml.work import steps
from qml.work.runs import Run
from tests.work.support import Counting, Paused, eventually, fork


@pytest.fixture(autouse=True)
def slept(monkeypatch):
    """Nobody sleeps here; what would have been slept."""
    pauses = []
    monkeypatch.setattr(steps, "sleep", pauses.append)
    return pauses


def once(app, clock=None, *, advance=100):
    """One server's life: what is due is run."""
    ran = app.server().step()
    if clock is not None:
        clock.advance(advance)
    return ran


def kept(app, job):
    return app.storage.get(job.id).notes.steps


# -- once ----------------------------------------------------------------------------------------


def test_a_retry_skips_what_is_done(app, clock):
    ran = []

    def charge(cents, *, card):
        ran.append("charge")
        return {"id": 7, "cents": cents, "card": card}

    def mail(receipt):
        ran.append("mail")
        if ran.count("mail") < 3:
            raise OSError("no route")
        return receipt["id"]

    @app.task
    def order():
        me = current_job()
        receipt = me.step("charge", charge, 500, card="visa")
        return [receipt, me.step("mail", mail, receipt)]

    job = order.enqueue()
    for _ in range(3):
        once(app, clock)
    receipt = {"id": 7, "cents": 500, "card": "visa"}
    assert app.result(job, timeout=0) == [receipt, 7]
    assert ran == ["charge", "mail", "mail", "mail"]
    assert list(kept(app, job).items()) == [("charge", receipt), ("mail", 7)]
    assert [failure.exception for failure in app.storage.get(job.id).failures] == [
        "OSError: no route"
    ] * 2


def test_a_result_is_the_same_at_once_and_later(app, clock):
    given = (1, 1.0, True, None, -0.0, 2**70, "\0 😀", {"b": (1,), "a": []}, {})
    seen = []

    @app.task
    def task():
        seen.append(current_job().step("s", lambda: given))
        seen.append(current_job().step("s", lambda: given))
        seen[-1].append("changed by the task")
        if len(seen) < 4:
            raise ValueError

    job = task.enqueue()
    once(app, clock)
    once(app, clock)
    texts = [json.dumps(value) for value in seen]
    whole = json.dumps(json.loads(json.dumps(given)))
    assert texts[0] == texts[2] == whole
    assert texts[1] == texts[3] == whole[:-1] + ', "changed by the task"]'
    assert json.dumps(kept(app, job)["s"]) == whole


def test_none_is_a_result(app, clock):
    ran = []

    @app.task
    def task():
        assert current_job().step("s", ran.append, 1) is None
        if len(ran) and current_job().attempt < 3:
            raise ValueError

    job = task.enqueue()
    for _ in range(3):
        once(app, clock)
    assert ran == [1]
    assert app.storage.get(job.id).state.kind == "succeeded"


def test_a_step_is_in_the_store_before_it_returns_and_costs_one_write(app):
    count = app.storage.driver = Counting(app.storage.driver)

    @app.task
    def task():
        me = current_job()
        for number in range(3):
            before = count.calls["hold"]
            me.step(f"{number}", lambda number=number: number)
            me.step(f"{number}", lambda: 1 / 0)  # kept by now
            assert count.calls["hold"] == before + 1
            assert list(app.storage.get(me.id).notes.steps) == [str(n) for n in range(number + 1)]
        return count.calls["hold"]

    job = task.enqueue()
    once(app)
    assert app.result(job, timeout=0) == 3
    assert count.calls["hold"] == 3  # and none before the outcome


def test_what_raises_is_not_kept_and_passes(app, clock):
    ran = []

    @app.task
    def task():
        def odd():
            ran.append(1)
            if len(ran) < 2:
                raise KeyError("odd")
            return len(ran)

        with pytest.raises(KeyError):
            current_job().step("odd", odd)
        assert current_job().step("odd", odd) == 2

    job = task.enqueue()
    once(app)
    assert app.storage.get(job.id).state.kind == "succeeded"
    assert kept(app, job) == {"odd": 2}


def test_steps_within_a_step_and_in_threads(app):
    ran = []

    @app.task
    def task():
        me = current_job()

        def work(name, inner=None):
            ran.append(name)
            if inner:
                threads = [
                    threading.Thread(target=me.step, args=(f"{number % 3}", work, f"{number % 3}"))
                    for number in range(9)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(30)
                return me.step("inner", work, "inner")
            return name

        return me.step("outer", work, "outer", True)

    job = task.enqueue()
    once(app)
    assert app.result(job, timeout=0) == "inner"
    assert sorted(ran) == ["0", "1", "2", "inner", "outer"]
    assert sorted(kept(app, job)) == ["0", "1", "2", "inner", "outer"]


def test_a_manual_retry_keeps_the_steps(app):
    ran = []

    @app.task(max_retries=0)
    def task():
        current_job().step("s", ran.append, 1)
        if len(ran) == 1 and current_job().attempt == 1:
            raise ValueError

    job = task.enqueue()
    once(app)
    assert app.storage.get(job.id).state.kind == "failed"
    app.storage.retry(job.id)
    once(app)
    assert app.storage.get(job.id).state.kind == "succeeded"
    assert ran == [1]


def test_drain_takes_the_same_path(memory_app):
    ran = []

    @memory_app.task
    def task():
        current_job().step("s", ran.append, 1)
        if current_job().attempt == 1:
            raise ValueError

    job = task.enqueue()
    assert drain(memory_app, raises=False, with_scheduled=True).counts == {
        "retrying": 1,
        "succeeded": 1,
    }
    assert ran == [1]
    assert kept(memory_app, job) == {"s": None}


# -- what cannot be ------------------------------------------------------------------------------


def failed(app, step):
    """What a job says that has failed in ``step``, which was never to be tried again."""
    ran = []

    @app.task(max_retries=5)
    def task():
        me = current_job()
        me.step("first", lambda: "x" * 30)
        step(me, ran)

    job = task.enqueue()
    once(app)
    state = app.storage.get(job.id).state
    assert state.kind == "failed"
    assert kept(app, job) == {"first": "x" * 30}
    assert ran == [1]
    return state.exception.replace(job.id, "ID").replace(job.method, "METHOD")


def test_what_json_cannot_keep_fails_the_job_at_once_and_names_the_step(app):
    exception = failed(app, lambda me, ran: me.step("odd", lambda: [ran.append(1), object()]))
    assert exception.startswith(
        "qml.SerializationError: job ID (METHOD), step 'odd': its result[1] is an object, which"
    )
    assert exception.endswith(". The step has run and had its effect; its result is lost")


def test_all_steps_together_are_held_to_the_size_of_a_job(make_storage):
    size = len('{"first":"' + "x" * 30 + '","b":"yyyyy"}')
    app = Qml(make_storage(max_job_bytes=size))
    exception = failed(app, lambda me, ran: me.step("b", lambda: [ran.append(1), "y" * 6][1]))
    assert exception.startswith(
        f"qml.SerializationError: job ID (METHOD), step 'b': what the job's steps return, "
        f"together, is {size + 1} bytes of JSON, more than the {size} allowed"
    )

    @app.task
    def fits():
        current_job().step("first", lambda: "x" * 30)
        current_job().step("b", lambda: "y" * 5)

    job = fits.enqueue()
    once(app)
    assert kept(app, job) == {"first": "x" * 30, "b": "y" * 5}


def test_law5_a_step_within_itself_is_refused_and_nothing_kept_changes(memory_app):
    @memory_app.task(max_retries=0)
    def task():
        me = current_job()
        me.step("outer", lambda: me.step("outer", lambda: 1) + 1)

    job = task.enqueue()
    once(memory_app)
    assert "step 'outer' is taken within itself" in memory_app.storage.get(job.id).state.exception
    assert kept(memory_app, job) == {}


def test_what_was_called_already_is_no_function_of_a_step(memory_app):
    @memory_app.task
    def task():
        with pytest.raises(ConfigurationError, match=r"step 'a' is given 5, which cannot be call"):
            current_job().step("a", 5)

    job = task.enqueue()
    once(memory_app)
    assert memory_app.result(job, timeout=0) is None


@pytest.mark.parametrize("name", ["", None, 3, b"x"])
def test_a_step_has_a_name(memory_app, name):
    @memory_app.task
    def task():
        with pytest.raises(ConfigurationError, match=r"the name of a step is .*; give text that"):
            current_job().step(name, lambda: 1 / 0)

    job = task.enqueue()
    once(memory_app)
    assert memory_app.storage.get(job.id).state.kind == "succeeded"


@pytest.mark.parametrize("make_storage", ["sqlite", "postgres"], indirect=True)
def test_a_step_is_no_part_of_a_transaction(make_storage):
    """What tx does may be rolled back, and the step would count as done."""
    app, ran = Qml(make_storage()), []

    @app.task(max_retries=0)
    def task(tx, when):
        me = current_job()
        me.step("before", ran.append, "before")
        if when == "open":
            tx.cursor()
        me.step("within", lambda: [ran.append("within"), tx.cursor()])

    says = "step 'within': a step cannot be part of the transaction of tx; take steps before tx"
    for when, steps_run in (("open", ["before"]), ("begun by the step", ["before", "within"])):
        job = task.enqueue(when)
        once(app)
        assert says in app.storage.get(job.id).state.exception
        assert kept(app, job) == {"before": None}
        assert ran == steps_run
        ran.clear()


def test_a_run_without_a_store_has_no_steps():
    with pytest.raises(ConfigurationError, match="step 's': this run has no store"):
        steps.take(Run(Job("t")), "s", lambda: 1)


# -- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "error"), [("cancelled", JobCancelled), ("overdue", JobTimeout), ("lost", JobLost)]
)
def test_no_step_begins_once_it_is_in_vain(memory_app, flag, error):
    server = memory_app.server()
    errors = []

    @memory_app.task(timeout_seconds=1000)
    def task():
        me = current_job()
        me.step("kept", lambda: 1)
        [run] = server.runs.held()
        setattr(run, flag, True)
        for name in ("kept", "new"):
            with pytest.raises(error) as raised:
                me.step(name, lambda: 1 / 0)
            errors.append(raised.value.job_id)
        setattr(run, flag, False)

    job = task.enqueue()
    server.step()
    assert errors == [job.id] * 2
    assert kept(memory_app, job) == {"kept": 1}


def test_law5_a_stale_hand_keeps_nothing(app, clock):
    """It stood still in a step; meanwhile the job was rescued, and another does the same steps."""
    ran, lost = [], []

    @app.task
    def task():
        me = current_job()

        def slowly():
            ran.append(me.attempt)
            if me.attempt == 1:
                clock.advance(31)
                app.storage.rescue()
                clock.advance(100)
                assert once(app) == 1
            return f"by attempt {me.attempt}"

        try:
            return me.step("s", slowly)
        except JobLost as error:
            lost.append((me.attempt, me.lost, str(error)))
            raise

    job = task.enqueue()
    once(app)
    stored = app.storage.get(job.id)
    assert stored.state.result == "by attempt 2"
    assert stored.notes.steps == {"s": "by attempt 2"}
    assert ran == [1, 2]
    [(attempt, flag, text)] = lost
    assert (attempt, flag) == (1, True)
    assert text.startswith(
        f"job {job.id} ({job.method}), step 's' has run, but the claim (fence 1)"
    )


def test_a_step_renews_the_lease_and_never_shortens_it(app, clock):
    server = app.server(lease_seconds=30)

    @app.task
    def task():
        me = current_job()
        [run] = server.runs.held()
        clock.advance(20)
        before = run.renewed_at
        me.step("s", lambda: 1)
        lease = app.storage.get(me.id).lease_expires_at - clock.now()
        assert lease.total_seconds() == 30
        assert run.renewed_at > before
        return True

    job = task.enqueue()
    server.step()
    assert app.result(job, timeout=0)


def test_older_notes_never_come_after_a_step(app):
    """The keeper has taken notes and is on its way; a step must not overtake it."""

    class Turn:
        """A lock that tells when somebody waits for it."""

        def __init__(self):
            self.lock, self.asked = threading.Lock(), threading.Event()

        def __enter__(self):
            self.asked.set()
            self.lock.acquire()

        def __exit__(self, *error):
            self.lock.release()

        def acquire(self, blocking):
            return self.lock.acquire(blocking)

        def release(self):
            self.lock.release()

    server, on_its_way, go = app.server(), threading.Event(), threading.Event()
    pause = app.storage.driver = Paused(app.storage.driver)

    def hold_up():
        on_its_way.set()
        assert go.wait(30)

    @app.task
    def task():
        me = current_job()
        [run] = server.runs.held()
        turn = run.notes.turn = Turn()
        me.progress(0.5)
        pause.before["hold"] = hold_up
        keeping = threading.Thread(target=server.keeper.note)
        keeping.start()
        assert on_its_way.wait(30)
        stepping = threading.Thread(target=me.step, args=("s", lambda: "result"))
        stepping.start()
        eventually(lambda: turn.asked.is_set() or not stepping.is_alive())
        go.set()
        keeping.join(30)
        stepping.join(30)
        found = app.storage.get(me.id).notes.steps
        me.progress(0.75)
        server.keeper.note()
        return found

    job = task.enqueue()
    server.step()
    assert app.result(job, timeout=0) == {"s": "result"}
    notes = app.storage.get(job.id).notes
    assert (notes.steps, notes.progress.fraction) == ({"s": "result"}, 0.75)


def test_progress_and_log_stay_beside_steps(app, clock):
    @app.task
    def task():
        me = current_job()
        me.progress(0.5, f"in {me.attempt}")
        me.log(f"in {me.attempt}")
        me.step(f"s{me.attempt}", lambda: me.attempt)
        notes = app.storage.get(me.id).notes
        assert notes.progress.message == f"in {me.attempt}"  # with the step
        if me.attempt == 1:
            raise ValueError
        assert [line.text for line in notes.log] == ["in 1", "in 2"]

    job = task.enqueue()
    once(app, clock)
    once(app, clock)
    assert app.storage.get(job.id).state.kind == "succeeded"
    assert kept(app, job) == {"s1": 1, "s2": 2}


# -- a store that is away ------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["fail", "lose_reply"])
def test_law9_a_write_that_failed_or_whose_reply_was_lost_is_sent_again(app, fault, slept):
    faulty = app.storage.driver = FaultyDriver(app.storage.driver)
    ran = []

    @app.task
    def task():
        me = current_job()
        getattr(faulty, fault)("hold", times=3)
        me.step("s", ran.append, 1)
        assert len(slept) == 3
        return app.storage.get(me.id).notes.steps

    job = task.enqueue()
    once(app)
    assert app.result(job, timeout=0) == {"s": None}
    assert ran == [1]


def test_what_is_not_taken_for_as_long_as_a_lease_is_said(app, slept, monkeypatch):
    seconds, ran = [100.0], []
    monkeypatch.setattr(steps, "sleep", lambda pause: seconds.__setitem__(0, seconds[0] + pause))
    server = app.server(lease_seconds=20)
    server.steady = lambda: seconds[0]
    faulty = app.storage.driver = FaultyDriver(app.storage.driver)

    @app.task(max_retries=0)
    def task():
        me = current_job()
        faulty.fail("hold", times=10**6)
        with pytest.raises(StorageUnavailable) as raised:
            me.step("s", ran.append, 1)
        assert seconds[0] == pytest.approx(100 + 20)
        assert raised.value.job_id == me.id
        said = f"job {me.id} ({me.job.method}), step 's' has run, and the store does not take its"
        assert str(raised.value).startswith(said)
        with pytest.raises(StorageUnavailable):
            me.step("s", ran.append, 1)
        faulty.heal()
        assert app.storage.get(me.id).notes.steps == {}
        me.step("s", ran.append, 1)  # which keeps what has run
        return app.storage.get(me.id).notes.steps

    job = task.enqueue()
    server.step()
    assert app.result(job, timeout=0) == {"s": None}
    assert ran == [1]


def test_what_was_not_taken_then_is_kept_with_the_last_notes(app, clock, monkeypatch):
    seconds, ran = [100.0], []
    monkeypatch.setattr(steps, "sleep", lambda pause: seconds.__setitem__(0, seconds[0] + pause))
    faulty = app.storage.driver = FaultyDriver(app.storage.driver)

    @app.task
    def task():
        me = current_job()
        if me.attempt == 1:
            faulty.fail("hold", times=10**6)
        try:
            me.step("s", ran.append, 1)
        finally:
            faulty.heal()

    job = task.enqueue()
    server = app.server()
    server.steady = lambda: seconds[0]
    server.step()
    assert app.storage.get(job.id).failures[0].exception.startswith("qml.StorageUnavailable: job")
    clock.advance(100)
    once(app)
    assert app.storage.get(job.id).state.kind == "succeeded"
    assert ran == [1]


# -- killed --------------------------------------------------------------------------------------

DURABLE = ("sqlite", "postgres", "redis")  # what a kill leaves anything of


@pytest.mark.parametrize("make_storage", DURABLE, indirect=True)
@pytest.mark.parametrize("point", [f"{when} {step}" for when in ("in", "after") for step in "abc"])
def test_killed_at_any_point_another_server_goes_on_after_the_last_step_that_is_kept(
    make_storage, clock, tmp_path, point
):
    """Each step leaves a line in a file. Killed after a step it is not run again; killed between
    the effect of a step and the write of its result, that one is, and no other."""
    app = Qml(make_storage(clock=clock, retry=RetryPolicy(base=0)))
    ledger = tmp_path / "ledger"

    def die_at(here, attempt):
        if attempt == 1 and here == point:
            os.kill(os.getpid(), signal.SIGKILL)

    @app.task(name="steps")
    def task():
        me = current_job()

        def effect(step):
            with ledger.open("a") as file:
                file.write(step)
            die_at(f"in {step}", me.attempt)
            return step.upper()

        results = []
        for step in "abc":
            results.append(me.step(step, effect, step))
            die_at(f"after {step}", me.attempt)
        return results

    job = task.enqueue()
    assert fork(lambda: app.server().step()) == -signal.SIGKILL
    clock.advance(31)
    app.storage.rescue()
    once(app)
    assert app.result(job, timeout=0) == ["A", "B", "C"]
    assert app.storage.get(job.id).attempt == 2
    when, killed = point.split()
    twice = {killed: 1} if when == "in" else {}
    assert Counter(ledger.read_text()) == Counter("abc") + Counter(twice)


# -- any sequence --------------------------------------------------------------------------------

RESULTS = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.booleans(), max_size=2)
FATES = st.sampled_from(["ok", "ok", "raise", "fail", "lose_reply", "die before", "die after"])
PLANS = st.lists(
    st.tuples(st.sampled_from("abcde"), RESULTS, st.lists(FATES, max_size=3)), max_size=8
)


class Died(BaseException):
    """The process is gone: it writes nothing any more."""


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=PLANS)
def test_any_sequence_of_steps_and_mishaps_ends_with_each_recorded_once(plan, slept):
    """Steps raise, replies get lost, the process dies before or after a write: in the end each
    result is that of the first run which was recorded, and nothing that was recorded ran again."""
    storage = MemoryStorage(clock=ManualClock(), retry=RetryPolicy(max_retries=1000, base=0))
    storage.driver = faulty = FaultyDriver(storage.driver)
    app, tales = Qml(storage), [(name, value, list(fates)) for name, value, fates in plan]
    recorded, ran_when_recorded = {}, []

    @app.task
    def task():
        me = current_job()
        return [[name, take(me, name, value, fates)] for name, value, fates in tales]

    def take(me, name, value, fates):
        if name in recorded:
            ran_when_recorded.append((name, me.step(name, lambda: 1 / 0)))
            return recorded[name]
        fate = fates.pop(0) if fates else "ok"

        def function():
            if fate == "raise":
                raise OSError("told to")
            plan_fault(faulty, fate)
            return value

        if fate in ("ok", "fail", "lose_reply", "die after"):
            recorded[name] = value
        assert me.step(name, function) == value
        return value

    job = task.enqueue()
    for _ in range(100):
        life(app)
        if app.storage.get(job.id).state.kind == "succeeded":
            break
    stored = app.storage.get(job.id)
    assert stored.state.kind == "succeeded", stored.failures
    assert stored.state.result == [[name, recorded[name]] for name, _, _ in plan]
    assert stored.notes.steps == recorded
    assert list(stored.notes.steps) == list(recorded)  # in the order in which they ended
    assert all(recorded[name] == value for name, value in ran_when_recorded)


def plan_fault(faulty, fate):
    if fate == "fail":
        faulty.fail("hold", times=2)
    elif fate == "lose_reply":
        faulty.lose_reply("hold")
    elif fate == "die before":
        faulty.fail("hold", Died())
    elif fate == "die after":
        faulty.lose_reply("hold", Died())


def life(app):
    """A server that runs what is due, unless it dies: then its claims lapse and are rescued."""
    server, dead = app.server(), []
    inner = server.execute

    def execute(run):
        outcome = inner(run)
        if "Died" in getattr(outcome, "exception", ""):
            dead.append(run)
        return outcome

    server.execute = execute
    record, server.finisher.record = server.finisher.record, lambda batch: dead or record(batch)
    server.step()
    app.storage.clock.advance(31)
    app.storage.rescue()

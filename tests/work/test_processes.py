"""Spawned processes: what runs in them is as in a thread, and they can be killed."""

import contextlib
import gc
import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from qml import ConfigurationError, Job, Qml, RetryPolicy
from qml.work.executor import Discarded, Raised, Snoozed, Succeeded
from qml.work.processes import GRACE, Attempt, Processes
from qml.work.runs import Run
from tests.work import process_tasks as tasks
from tests.work.process_support import PATIENCE, eventually, gone, lives, pid_in
from tests.work.support import fork, memory_storage

LIMIT = 1_000


@pytest.fixture(scope="module")
def shared():
    """Processes that tests share, since each takes a moment to start."""
    processes = Processes()
    yield processes
    processes.close()


@pytest.fixture
def processes():
    processes = Processes()
    yield processes
    processes.close()


@pytest.fixture
def storage(tmp_path):
    with (
        memory_storage(tmp_path, retry=RetryPolicy(base=0)) as storage,
        tasks.jobs.using_storage(storage),
    ):
        yield storage


def claimed(task, *arguments, attempt=1, **options):
    return Job(
        task.name,
        [str(a) if isinstance(a, Path) else a for a in arguments],
        attempt=attempt,
        **options,
    )


def outcome_of(processes, task, *arguments, **options):
    return processes.execute(Run(claimed(task, *arguments, **options)), task.app.tasks, LIMIT)


def result_of(processes, task, *arguments, **options):
    outcome = outcome_of(processes, task, *arguments, **options)
    assert isinstance(outcome, Succeeded), outcome
    return outcome.result


class Started:
    """A run in a thread of its own, on a clock that stands still until it is moved."""

    def __init__(self, processes, task, *arguments, **options):
        self.seconds = 0.0
        self.run = Run(claimed(task, *arguments, **options), lambda: self.seconds)
        self.outcomes = []
        self._thread = threading.Thread(target=self._go, args=(processes,), daemon=True)
        self._thread.start()

    def _go(self, processes):
        self.outcomes.append(processes.execute(self.run, tasks.jobs.tasks, LIMIT))

    def outcome(self):
        self._thread.join(PATIENCE)
        [outcome] = self.outcomes
        return outcome


# -- as in a thread ------------------------------------------------------------------------------


def test_it_runs_in_another_process_with_its_arguments_and_gives_the_result(shared):
    values = [2**70, -0.0, 1, 1.0, True, None, "\0 ü", [[], {}], {"b": 1, "a": [2]}]
    job = Job(tasks.where.name, values, {"named": "yes"})
    outcome = shared.execute(Run(job), tasks.jobs.tasks, LIMIT)
    pid, *back = outcome.result
    assert pid != os.getpid()
    assert repr(back) == repr([values, {"named": "yes"}])
    assert outcome.duration_ms >= 0


def test_a_process_is_used_again(processes):
    first = result_of(processes, tasks.where)[0]
    assert [result_of(processes, tasks.where)[0] for _ in range(3)] == [first] * 3


def test_a_server_has_no_more_processes_than_threads(storage):
    many = tasks.where.enqueue_many([()] * 12)
    with tasks.jobs.server(threads=2):
        pids = {tasks.jobs.result(job, timeout=PATIENCE)[0] for job in many}
    assert 1 <= len(pids) <= 2


def test_two_run_at_once(shared, tmp_path):
    both = [Started(shared, tasks.met, tmp_path, name) for name in ("a", "b")]
    pids = [pid_in(tmp_path, name) for name in ("a", "b")]
    for name in ("a", "b"):
        (tmp_path / f"{name}.go").touch()
    assert [one.outcome().result for one in both] == pids
    assert pids[0] != pids[1]


def test_an_exception_comes_with_its_traceback(shared):
    outcome = outcome_of(shared, tasks.act, "raise")
    assert outcome.exception == "ValueError: not \udcff today"
    assert outcome.traceback.startswith("Traceback")
    assert "in deep" in outcome.traceback
    assert tasks.__file__ in outcome.traceback
    assert "executor.py" not in outcome.traceback


def test_what_a_task_may_say(shared):
    retry = outcome_of(shared, tasks.act, "retry")
    assert (retry.exception, retry.delay) == ("KeyError: 'cause'", 7)
    assert outcome_of(shared, tasks.act, "discard") == Discarded("gone")
    assert outcome_of(shared, tasks.act, "snooze") == Snoozed(5.0)
    assert outcome_of(shared, tasks.act, "exit").exception == "SystemExit: 4"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_a_task_forked_answers_nothing_in_its_place(shared):
    assert outcome_of(shared, tasks.come_back_twice).result == "parent"
    assert outcome_of(shared, tasks.where, 1).result[1] == [1]


@pytest.mark.parametrize(
    ("what", "says"),
    [("object", "is an object, which JSON cannot keep"), ("long", "more than the 1,000 allowed")],
)
def test_a_result_is_json_of_limited_size(shared, what, says):
    outcome = outcome_of(shared, tasks.act, what)
    assert says in outcome.exception
    assert outcome.final


def test_a_task_decides_by_its_own_options(shared):
    assert outcome_of(shared, tasks.choosy, "ValueError").final
    assert outcome_of(shared, tasks.choosy, "KeyError").delay == 3
    assert outcome_of(shared, tasks.choosy, "OSError", attempt=2).final


def test_the_task_knows_its_job(shared):
    job = claimed(tasks.who, attempt=3, metadata={"a": 1}, timeout_seconds=500, fence=7)
    me = shared.execute(Run(job), tasks.jobs.tasks, 10_000).result
    assert me[:4] == [job.id, 3, False, False]
    assert Job.from_json(me[4]) == job


@pytest.mark.parametrize(
    ("task", "result"),
    [
        (tasks.Shelf.count, "counted"),
        (tasks.jobs.tasks["tests.work.process_tasks.over"], True),
        (tasks.under, ["audited", True]),
        (tasks.follow, tasks.where.name),
    ],
    ids=["method", "decorated", "decorating", "enqueues"],
)
def test_a_task_is_found_by_its_name(shared, task, result):
    assert result_of(shared, task) == result


def test_a_task_beside_its_function_is_found(shared):
    assert result_of(shared, tasks.plain_task, 1) == 2


def test_a_task_that_is_not_found_says_so(shared):
    outcome = outcome_of(shared, *tasks.hidden)
    assert "no name in module tests.work.process_tasks leads to task 'hidden'" in outcome.exception
    assert "Put @task(process=True) on a def at the top level" in outcome.exception


def test_other_tasks_stay_in_their_thread(processes):
    app = Qml("memory://")
    app.task(name="t")(os.getpid)
    assert processes.execute(Run(Job("t")), app.tasks, LIMIT).result == os.getpid()
    assert "no task 'x'" in processes.execute(Run(Job("x")), app.tasks, LIMIT).exception


def test_a_damaged_job_starts_none(processes):
    outcome = outcome_of(processes, tasks.where, damage="unreadable")
    assert outcome.final
    assert not processes._all


def test_what_a_task_says_of_itself_is_stored_while_it_runs(storage, tmp_path):
    job = tasks.telling.enqueue(str(tmp_path))
    with tasks.jobs.server(threads=1):
        eventually((tmp_path / "said").exists)
        notes = eventually(lambda: (found := storage.get(job.id)).notes.progress and found.notes)
        assert (notes.progress.fraction, notes.progress.message) == (0.5, "half")
        assert [line.text for line in notes.log] == ["one", "two"]
        (tmp_path / "said.go").touch()
        assert tasks.jobs.result(job, timeout=PATIENCE) == "ConfigurationError"
    stored = storage.get(job.id)
    assert stored.notes.progress.fraction == 1
    assert [(line.attempt, line.text) for line in stored.notes.log] == [
        (1, "one"),
        (1, "two"),
        (1, "last"),
    ]
    times = [line.at for line in stored.notes.log]
    assert stored.created_at <= times[0] <= times[1] <= times[2] <= stored.state.succeeded_at


def test_what_it_logs_goes_through_the_servers_loggers(shared, caplog):
    caplog.set_level(logging.INFO)
    job = claimed(tasks.logging_something)
    shared.execute(Run(job), tasks.jobs.tasks, LIMIT)
    [record] = [one for one in caplog.records if one.name == "tests.work.process_tasks"]
    assert record.getMessage() == "counted 7"
    assert (record.levelname, record.funcName) == ("WARNING", "logging_something")
    assert (record.qml_job, record.processName) == (job.id, "qml-process")
    assert "ZeroDivisionError" in caplog.text


def test_middleware_goes_around_it_there(shared):
    assert result_of(shared, tasks.surrounded) == ["around", "surrounded"]


def test_middleware_that_the_process_does_not_know_is_an_error(shared, monkeypatch):
    monkeypatch.setattr(tasks.other, "middleware", (*tasks.other.middleware, foreign))
    outcome = outcome_of(shared, tasks.surrounded)
    assert "tests.work.test_processes.foreign goes around the app's runs" in outcome.exception


def foreign(job, call):
    return call()


def test_a_task_may_start_and_end_processes_of_its_own(shared):
    assert result_of(shared, tasks.forked) == -signal.SIGTERM
    assert result_of(shared, tasks.terminated) == -signal.SIGTERM


# -- refused at decoration -----------------------------------------------------------------------


def test_what_another_process_cannot_find_is_refused():
    def inner():
        pass

    task = Qml("memory://").task(process=True)
    for function, kind in [
        (lambda: 1, "a lambda"),
        (inner, "a function within a function"),
        (threading.Event().set, "a method of an object"),
    ]:
        with pytest.raises(ConfigurationError, match=f"task .* is {kind}, which the process"):
            task(function)
    assert task(tasks.plain).process
    assert task(Path.cwd).process  # a method of a class


def test_a_tasks_jobs_cannot_differ():
    for process in (True, False):
        with pytest.raises(ConfigurationError, match="process is said once, in @task"):
            tasks.where.using(process=process)
    assert tasks.where.using(priority=5).process


# -- killed --------------------------------------------------------------------------------------


def test_at_its_time_the_process_is_killed_and_what_it_has_started(processes, tmp_path):
    started = Started(processes, tasks.compute, tmp_path, timeout_seconds=100)
    pid, sleeper = pid_in(tmp_path, "pid"), pid_in(tmp_path, "sleeper")
    eventually(lambda: started.run.started_at is not None)  # and not only its process
    started.seconds = 99.9
    eventually(lambda: started.run.deadline is None)  # the keeper has nothing to watch
    assert lives(pid)
    started.seconds = 100.0
    outcome = started.outcome()
    assert outcome == Raised("TimeoutError: attempt 1 ran longer than 100 s", "")
    gone(pid, sleeper)
    assert result_of(processes, tasks.where)[0] != pid


def test_a_server_records_a_timeout_once_and_has_its_thread_back(storage, tmp_path):
    first = tasks.compute.using(timeout_seconds=0.2, max_retries=0).enqueue(str(tmp_path))
    second = tasks.where.enqueue()
    with tasks.jobs.server(threads=1) as server:
        assert tasks.jobs.result(second, timeout=PATIENCE)
        assert server.runs.late() == []
        assert server.pool._threads == 1
    failed = storage.get(first.id)
    assert failed.state.exception == "TimeoutError: attempt 1 ran longer than 0.2 s"
    assert [failure.attempt for failure in failed.failures] == [1]
    assert failed.lease_expires_at is None


def test_a_timeout_is_retried(storage, tmp_path):
    job = tasks.compute.using(timeout_seconds=0.1).enqueue(str(tmp_path))
    server = tasks.jobs.server(threads=1)
    with contextlib.closing(server.processes):
        assert server.step() == 1
    stored = storage.get(job.id)
    assert (stored.state.kind, stored.attempt) == ("awaiting_retry", 1)


class Scripted:
    """In place of a process: each message with the seconds that pass before it."""

    pid = 1

    def __init__(self, *script):
        self.script = list(script)
        self.seconds = 0.0
        self.said = []

    def send(self, message):
        self.said.append(message)

    def next(self, seconds):
        passed, message = self.script.pop(0)
        self.seconds += passed
        return message

    def outcome(self, **job):
        self.run = Run(Job(tasks.where.name, attempt=1, **job), lambda: self.seconds)
        return Attempt(self, self.run).outcome({})


def test_the_import_of_a_module_is_not_part_of_its_time():
    done = ["Succeeded", {"result": 1, "duration_ms": 2.0}]
    process = Scripted((50, {}), (50, {"began": True}), (9.9, {}), (0, {"outcome": done}))
    assert process.outcome(timeout_seconds=10) == Succeeded(1, 2.0)
    assert process.run.started_at == 100


def test_what_arrived_is_an_outcome_however_late():
    done = ["Succeeded", {"result": 1, "duration_ms": 2.0}]
    process = Scripted((0, {"began": True}), (11, {"outcome": done}))
    assert process.outcome(timeout_seconds=10) == Succeeded(1, 2.0)


# -- cancelled, lost -----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["cancelled", "lost"])
def test_a_task_is_told_and_may_end_by_itself(shared, tmp_path, flag):
    started = Started(shared, tasks.until_told, tmp_path, flag)
    eventually((tmp_path / "began").exists)
    setattr(started.run, flag, True)
    assert started.outcome().result == [flag == "cancelled", True]


def test_the_next_run_is_told_nothing_of_it(processes, tmp_path):
    started = Started(processes, tasks.until_told, tmp_path, "lost")
    eventually((tmp_path / "began").exists)
    started.run.lost = started.run.cancelled = True
    started.outcome()
    assert result_of(processes, tasks.who)[2:4] == [False, False]


def test_one_that_does_not_heed_is_killed_after_the_grace(processes, tmp_path, caplog):
    started = Started(processes, tasks.unheeding, tmp_path)
    sleeper = pid_in(tmp_path, "sleeper")
    [process] = processes._all
    started.run.lost = True
    eventually((tmp_path / "told").exists)
    started.seconds = GRACE - 0.1
    assert lives(process.pid)
    started.seconds = GRACE
    outcome = started.outcome()
    assert outcome == Snoozed(0.0)
    gone(process.pid, sleeper)
    why = "it went on for 5 s after it was told: lost"
    assert f"{why}; its process {process.pid} is killed" in caplog.text


def test_a_run_that_is_lost_before_it_begins_does_not_begin(processes):
    run = Run(claimed(tasks.where))
    run.lost = True
    assert processes.execute(run, tasks.jobs.tasks, LIMIT) == Snoozed(0.0)
    assert run.started_at is None


def test_a_cancelled_job_stays_deleted(storage, tmp_path):
    job = tasks.until_told.enqueue(str(tmp_path), "cancelled")
    with tasks.jobs.server(threads=1):
        eventually((tmp_path / "began").exists)
        storage.cancel(job.id, "not needed")
        eventually(lambda: storage.get(job.id).lease_expires_at is None)
    assert storage.get(job.id).state.reason == "not needed"


def test_a_cancelled_job_that_is_killed_lets_its_lease_go(storage, tmp_path, monkeypatch):
    monkeypatch.setattr("qml.work.processes.GRACE", 0.0)
    job = tasks.unheeding.enqueue(str(tmp_path))
    with tasks.jobs.server(threads=1, lease_seconds=1_000):
        sleeper = pid_in(tmp_path, "sleeper")
        storage.cancel(job.id, "not needed")
        eventually(lambda: storage.get(job.id).lease_expires_at is None)
        gone(sleeper)
    assert storage.get(job.id).state.reason == "not needed"
    assert storage.get(job.id).attempt == 1


def test_the_outcome_of_a_lost_claim_is_refused(storage, tmp_path):
    job = tasks.met.enqueue(str(tmp_path))
    with tasks.jobs.server(threads=1, lease_seconds=1_000):
        eventually((tmp_path / "met").exists)
        assert storage.release_job_lock(job.id, storage.get(job.id).state.worker_id)
        storage.rescue()
        stolen = storage.fetch_and_lock_job("thief", lease_seconds=1_000)
        (tmp_path / "met.go").touch()
    assert stolen.id == job.id
    assert storage.get(job.id) == stolen


# -- dead ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("exit", "ended with exit code 3"),
        (int(signal.SIGSEGV), "was killed by SIGSEGV"),
        (int(signal.SIGKILL), "was killed by SIGKILL, as the kernel does when memory is short"),
        ("forked", "was killed by SIGSEGV"),
    ],
)
def test_a_process_that_dies_fails_its_attempt_only(shared, how, says):
    before = result_of(shared, tasks.where)[0]
    outcome = outcome_of(shared, tasks.die, how)
    assert outcome.exception == f"ChildProcessError: attempt 1 ended: its process {before} {says}"
    assert not outcome.final
    assert result_of(shared, tasks.where)[0] != before


def test_one_that_died_while_it_was_idle_costs_no_attempt(processes):
    pid = result_of(processes, tasks.where)[0]
    os.kill(pid, signal.SIGKILL)
    assert result_of(processes, tasks.where)[0] != pid
    assert len(processes._all) == 1


def test_no_process_can_be_started(processes, monkeypatch):
    def fail():
        raise BlockingIOError("no more processes")

    monkeypatch.setattr("qml.work.spawned.Spawned", fail)
    outcome = outcome_of(processes, tasks.where)
    assert outcome.exception == (
        "ChildProcessError: attempt 1 did not begin: no process can be started: "
        "BlockingIOError: no more processes"
    )


def test_one_that_is_not_ready_in_time_is_killed(processes, monkeypatch):
    monkeypatch.setattr("qml.work.processes.START", 0.0)
    monkeypatch.setattr("qml.work.processes.TICK", 0.0)
    outcome = outcome_of(processes, tasks.where)
    assert "attempt 1 did not begin: its process was not ready within 0 s" in outcome.exception
    assert not processes._all


# -- the end of a server -------------------------------------------------------------------------


def test_a_stop_leaves_no_process(storage, tmp_path):
    job = tasks.met.enqueue(str(tmp_path))
    server = tasks.jobs.server(threads=2).start()
    busy = pid_in(tmp_path, "met")
    idle = tasks.jobs.result(tasks.where.enqueue(), timeout=PATIENCE)[0]
    stopped = threading.Thread(target=server.stop)
    stopped.start()
    eventually(server._stopping.is_set)
    assert lives(busy)  # it has the grace
    (tmp_path / "met.go").touch()
    stopped.join(PATIENCE)
    assert tasks.jobs.result(job) == busy
    gone(busy, idle)
    assert not server.processes._all


def test_what_runs_at_the_end_of_the_grace_is_handed_back_and_then_killed(
    storage, tmp_path, monkeypatch
):
    monkeypatch.setattr("qml.work.processes.GRACE", 10_000.0)
    job = tasks.compute.enqueue(str(tmp_path))
    server = tasks.jobs.server(threads=1).start()
    pid, sleeper = pid_in(tmp_path, "pid"), pid_in(tmp_path, "sleeper")
    close, seen = server.processes.close, []

    def closing():
        seen.append((storage.get(job.id), lives(pid)))
        close()

    monkeypatch.setattr(server.processes, "close", closing)
    server.stop(grace_seconds=0)
    gone(pid, sleeper)
    [(handed_back, lived)] = seen
    assert (handed_back.state.kind, handed_back.attempt, lived) == ("enqueued", 0, True)
    eventually(lambda: server.pool._threads == 0)
    assert storage.get(job.id) == handed_back


def test_what_is_killed_by_a_stop_is_no_failure(processes, tmp_path):
    started = Started(processes, tasks.compute, tmp_path)
    pid_in(tmp_path, "pid")
    processes.close()
    assert started.outcome() == Snoozed(0.0)
    assert outcome_of(processes, tasks.where) == Snoozed(0.0)  # after the end, too


def test_a_server_that_is_forgotten_leaves_no_process():
    processes = Processes()
    pid = result_of(processes, tasks.where)[0]
    del processes
    gc.collect()
    gone(pid)


def test_an_idle_one_ends_by_itself(processes):
    result_of(processes, tasks.where)
    [idle] = processes._idle
    processes.close()
    assert idle.exit_code(0) == 0  # not killed: what its modules registered for its end has run


def test_law11_a_fault_of_its_own_is_a_failed_attempt_with_a_traceback(processes, monkeypatch):
    def fail(*given):
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(processes, "_execute", fail)
    outcome = outcome_of(processes, tasks.where)
    assert outcome.exception == "RuntimeError: not foreseen"
    assert "in fail" in outcome.traceback


def test_a_forked_child_leaves_its_parents_processes_alone(shared):
    pid = result_of(shared, tasks.where)[0]
    assert fork(shared.close) == 0
    assert result_of(shared, tasks.where)[0] == pid

"""Progress and log of running jobs: stored soon, coalesced, fenced, and before the outcome."""

import threading

import pytest

from qml import ConfigurationError, Job, StorageUnavailable, current_job
from qml.values.notes import LINES_KEPT
from qml.work.chores import Keeper
from qml.work.executor import Raised, Succeeded
from qml.work.finisher import Finisher
from qml.work.noting import Noter
from qml.work.outage import Outage
from qml.work.pool import Pool
from qml.work.runs import Run, Runs
from tests.work.support import Counting, Failing, Gate, Paused, eventually

DONE = Succeeded(None, 1.0)


class Bench:
    """Claimed runs with what keeps them and what records their ends, stepped by hand."""

    def __init__(self, storage):
        self.storage, self.runs, self.seconds = storage, Runs(), 100.0
        self.noter = Noter(storage, 30.0)
        self.pool = Pool(1, lambda run: DONE, lambda run, outcome: None, lambda run: None, "p")
        self.keeper = Keeper(
            *(storage, self.runs, self.pool, self.record, 30.0, self.steady, self.noter)
        )
        self.finisher = Finisher(storage, self.runs, lambda job: None, Outage(), self.noter)

    def steady(self):
        return self.seconds

    def claim(self, number=1, worker="w", **job):
        self.storage.enqueue_many([Job("t", max_retries=5, **job) for _ in range(number)])
        return self.take(number, worker)

    def take(self, number=1, worker="w"):
        claimed = self.storage.fetch_available_jobs_atomic(worker, number)
        runs = [Run(job, self.steady) for job in claimed]
        self.runs.add(runs)
        for run in runs:
            run.start()
        return runs

    def record(self, run, outcome=DONE):
        self.finisher.record([(run, outcome)])

    def notes(self, run):
        return self.storage.get(run.job.id).notes

    def share(self, run):
        progress = self.notes(run).progress
        return progress and progress.fraction

    def lines(self, run):
        return [(line.attempt, line.text) for line in self.notes(run).log]


@pytest.fixture
def bench(storage):
    return Bench(storage)


# -- what is stored ------------------------------------------------------------------------------


def test_progress_and_log_are_stored_with_the_times_of_the_store(bench, clock):
    begun = clock.now()
    [run] = bench.claim()
    bench.seconds += 2.5
    run.notes.progress(0.4, "page 4 of 10")
    bench.seconds += 0.25
    run.notes.log("a line")
    bench.seconds += 10
    bench.keeper.note()
    notes = bench.notes(run)
    assert (notes.progress.fraction, notes.progress.message) == (0.4, "page 4 of 10")
    assert (notes.progress.at - begun).total_seconds() == 2.5
    [line] = notes.log
    assert (line.text, line.attempt) == ("a line", 1)
    assert (line.at - begun).total_seconds() == 2.75


def test_of_progress_the_last_counts_and_of_lines_all(bench):
    [run] = bench.claim()
    for number in range(5):
        run.notes.progress(number / 10)
        run.notes.log(number)
    bench.keeper.note()
    run.notes.log("more")
    bench.keeper.note()
    assert bench.share(run) == 0.4
    assert bench.lines(run) == [(1, text) for text in ("0", "1", "2", "3", "4", "more")]


def test_no_log_grows_without_end(bench):
    [run] = bench.claim()
    for number in range(1234):
        run.notes.log(number)
    run.notes.progress(0.5, "y" * 5_000_000)
    run.notes.log("x" * 5_000_000)
    assert len(run.notes._lines) <= 2 * LINES_KEPT
    assert len(run.notes._lines[-1][1]) + len(run.notes._progress[2]) < 3_000  # and no megabytes
    bench.keeper.note()
    told = [text for _, text in bench.lines(run)]
    assert told == [*(str(n) for n in range(1135, 1234)), "x" * 999 + "…"]


@pytest.mark.parametrize(("said", "kept"), [(-1, 0.0), (40, 1.0), (1.0000001, 1.0), (1, 1.0)])
def test_what_lies_beyond_counts_as_the_nearer(bench, said, kept):
    [run] = bench.claim()
    run.notes.progress(said)
    bench.keeper.note()
    assert bench.share(run) == kept


def test_a_progress_that_is_no_number_is_the_tasks_mistake(app):
    @app.task(max_retries=0)
    def task(value):
        current_job().progress(value)

    values = ["0.5", None, "nan"]
    jobs = [task.enqueue(value) for value in values]
    app.server(threads=3).step()
    for job, value in zip(jobs, values, strict=True):
        exception = app.storage.get(job.id).state.exception
        assert exception.startswith(f"qml.ConfigurationError: progress is {value!r}; give")
    with pytest.raises(ConfigurationError):
        Run(Job("t")).notes.progress(float("nan"))


def test_hostile_texts_are_kept_readable(bench):
    [run] = bench.claim()
    run.notes.progress(0.5, "a\0\ud800" + "x" * 10_000)
    run.notes.log("b\0\udfff" + "y" * 10_000)
    bench.keeper.note()
    notes = bench.notes(run)
    assert notes.progress.message.startswith(r"a\x00\ud800xxx")
    assert notes.log[0].text.startswith(r"b\x00\udfffyyy")
    assert max(len(notes.progress.message), len(notes.log[0].text)) <= 1000


# -- attempts ------------------------------------------------------------------------------------


def test_the_log_goes_on_with_the_next_attempt_and_the_progress_does_not(bench, clock):
    [first] = bench.claim()
    first.notes.progress(0.9)
    first.notes.log("one")
    bench.keeper.note()
    bench.storage.release(first.job)
    bench.runs.remove([first])
    [second] = bench.take()
    bench.keeper.note()
    assert bench.share(second) == 0.9  # until this attempt says something
    second.notes.log("two")
    bench.keeper.note()
    assert bench.share(second) is None
    assert [text for _, text in bench.lines(second)] == ["one", "two"]


def test_each_line_tells_its_attempt(app, clock):
    @app.task
    def task():
        me = current_job()
        me.log(f"in {me.attempt}")
        if me.attempt < 3:
            raise ValueError

    job = task.enqueue()
    for _ in range(3):
        app.server().step()
        clock.advance(100)
    log = app.storage.get(job.id).notes.log
    assert [(line.attempt, line.text) for line in log] == [(1, "in 1"), (2, "in 2"), (3, "in 3")]


# -- how often, and when -------------------------------------------------------------------------


def test_the_news_of_all_runs_are_one_write_and_no_news_is_none(bench):
    count = bench.storage.driver = Counting(bench.storage.driver)
    runs = bench.claim(30)
    for number in range(3):
        count.calls.clear()
        bench.keeper.note()
        assert not count.calls
        for run in runs[:20]:
            run.notes.progress(number / 10)
        bench.keeper.note()
        assert count.calls == {"hold": 1}
    assert [bench.share(run) for run in runs] == [0.2] * 20 + [None] * 10


def test_a_hundred_thousand_calls_are_as_many_writes_as_there_are_steps(app):
    count = app.storage.driver = Counting(app.storage.driver)
    server = app.server()

    @app.task
    def task():
        me = current_job()
        for number in range(100_000):
            me.progress(number / 100_000, "page")
            if number % 25_000 == 0:
                server.keeper.note()

    job = task.enqueue()
    server.step()
    assert count.calls["hold"] == 4 + 1  # each step, and before the outcome
    assert app.storage.get(job.id).notes.progress.fraction == 0.99999


def test_a_step_of_a_keeper_comes_four_times_a_second(bench):
    [chore] = [chore for chore in bench.keeper.chores() if chore.step == bench.keeper.note]
    assert chore.period == 0.25
    assert chore.patience == 5.0  # and less often while the store is away


def test_the_notes_of_a_running_job_can_be_read(app):
    gate = Gate()

    @app.task
    def task():
        current_job().progress(0.4, "page 4 of 10")
        gate.wait()

    job = task.enqueue()
    with app.server(threads=1):
        gate.someone_waits()
        eventually(lambda: app.storage.get(job.id).notes.progress)
        stored = app.storage.get(job.id)
        assert (stored.state.kind, stored.version) == ("processing", 1)  # it raises no version
        assert stored.notes.progress.message == "page 4 of 10"
        gate.open()
        app.result(job, timeout=30)


def test_the_last_notes_are_stored_when_a_wait_returns(app):
    @app.task
    def task(number):
        current_job().progress(1.0, f"done {number}")

    jobs = task.enqueue_many([(number,) for number in range(40)])
    with app.server(threads=4):
        for number, job in enumerate(jobs):
            done = app.storage.wait(job.id, timeout=30)
            assert done.notes.progress.message == f"done {number}"


def test_the_last_notes_of_a_batch_are_one_write_before_its_outcomes(app):
    app.task(name="t")(lambda: current_job().log("end")).enqueue_many([()] * 20)
    count = app.storage.driver = Counting(app.storage.driver)
    app.server(threads=20).step()
    assert list(count.calls.items()) == [("claim", 1), ("hold", 1), ("swap", 1)]


def test_a_timed_out_run_leaves_what_it_said_before(bench):
    [run] = bench.claim(timeout_seconds=5, id="late")
    run.notes.progress(0.3)
    bench.seconds += 6
    run.overdue = True
    bench.record(run, Raised("TimeoutError: x", "", final=True))
    run.notes.progress(0.9)
    bench.keeper.note()
    assert bench.share(run) == 0.3


# -- fencing -------------------------------------------------------------------------------------


def test_law5_a_run_whose_claim_is_over_writes_nothing(bench, clock):
    [old] = bench.claim()
    clock.advance(31)
    bench.storage.rescue()
    clock.advance(100)
    [new] = bench.take(worker="w")  # the same worker
    bench.runs.remove([new])
    new.notes.log("new")
    assert bench.noter.write([new]) == [(new, True)]
    old.notes.progress(0.5)
    old.notes.log("old")
    before = bench.storage.get(old.job.id)
    bench.keeper.note()
    assert old.lost
    bench.record(old)  # with its last notes, refused as well
    assert bench.storage.get(old.job.id) == before
    assert bench.lines(new) == [(2, "new")]


def test_law5_a_run_that_was_handed_back_is_not_asked_any_more(bench):
    count = bench.storage.driver = Counting(bench.storage.driver)
    [run] = bench.claim()
    run.notes.log("x")
    run.lost = True
    bench.keeper.note()
    assert not count.calls["hold"]


def test_a_cancelled_run_notes_nothing_and_keeps_its_lease(bench, clock):
    [run] = bench.claim()
    bench.storage.cancel(run.job.id)
    clock.advance(20)
    run.notes.progress(0.5)
    bench.keeper.note()
    stored = bench.storage.get(run.job.id)
    assert stored.notes.progress is None
    assert (stored.lease_expires_at - clock.now()).total_seconds() == 30
    assert not run.lost


def test_a_note_is_a_renewal(bench, clock):
    [run] = bench.claim()
    clock.advance(20)
    bench.seconds += 20
    run.notes.progress(0.5)
    bench.keeper.note()
    assert run.renewed_at == bench.seconds
    assert (bench.storage.get(run.job.id).lease_expires_at - clock.now()).total_seconds() == 30


# -- mishaps -------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StorageUnavailable, ValueError])
def test_what_fails_to_be_noted_harms_no_outcome(bench, error):
    failing = bench.storage.driver = Failing(bench.storage.driver, {"hold": 10**6})
    failing.error = error
    [run] = bench.claim()
    run.notes.progress(1.0)
    bench.record(run)
    assert bench.storage.get(run.job.id).state.kind == "succeeded"
    assert failing.failed["hold"] == 1


def test_law11_what_could_not_be_written_is_written_later(bench):
    failing = bench.storage.driver = Failing(bench.storage.driver, {"hold": 1})
    [run] = bench.claim()
    run.notes.progress(0.5, "x")
    run.notes.log("y")
    with pytest.raises(StorageUnavailable):
        bench.keeper.note()
    failing.plan = {}
    bench.keeper.note()
    assert bench.share(run) == 0.5
    assert bench.lines(run) == [(1, "y")]


def test_the_outcome_waits_for_notes_on_their_way(bench):
    """Or the older notes would come last, or after the end, and be refused."""

    class Turn:
        """A lock that tells when somebody waits for it."""

        def __init__(self):
            self.lock, self.asked = threading.Lock(), threading.Event()

        def __enter__(self):
            self.lock.acquire()

        def __exit__(self, *error):
            self.lock.release()

        def acquire(self, timeout):
            self.asked.set()
            return self.lock.acquire(timeout=timeout)

        def release(self):
            self.lock.release()

    pause = bench.storage.driver = Paused(bench.storage.driver)
    turn = bench.noter._turn = Turn()
    [run] = bench.claim()
    run.notes.progress(0.9)
    on_its_way, go = threading.Event(), threading.Event()

    def hold_up():
        on_its_way.set()
        assert go.wait(30)

    pause.before["hold"] = hold_up
    keeping = threading.Thread(target=bench.keeper.note)
    keeping.start()
    assert on_its_way.wait(30)
    ending = threading.Thread(target=lambda: bench.record(run))
    ending.start()
    eventually(lambda: turn.asked.is_set() or not ending.is_alive())
    go.set()
    keeping.join(30)
    ending.join(30)
    assert bench.storage.get(run.job.id).state.kind == "succeeded"
    assert bench.share(run) == 0.9
    assert not run.lost


def test_many_threads_may_speak_for_one_run(bench):
    [run] = bench.claim()
    ready = threading.Barrier(9)

    def speak(name):
        ready.wait(30)
        for number in range(10):
            run.notes.log(f"{name}-{number}")
            run.notes.progress(number / 10)

    threads = [threading.Thread(target=speak, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    ready.wait(30)
    while any(thread.is_alive() for thread in threads):
        bench.keeper.note()
    bench.keeper.note()
    said = [text for _, text in bench.lines(run)]
    assert sorted(said) == sorted(f"{name}-{number}" for name in range(8) for number in range(10))
    for name in range(8):
        mine = [text for text in said if text.startswith(f"{name}-")]
        assert mine == [f"{name}-{number}" for number in range(10)]


def test_a_note_renews_for_as_long_as_the_leases_of_its_server(memory_app, clock):
    server = memory_app.server(lease_seconds=77)
    memory_app.storage.enqueue(Job("t"))
    [job] = memory_app.storage.fetch_available_jobs_atomic("w", 1)
    run = Run(job, server.steady)
    run.start()
    run.notes.progress(0.5)
    assert server.noter.write([run]) == [(run, True)]
    stored = memory_app.storage.get(job.id)
    assert (stored.lease_expires_at - clock.now()).total_seconds() == 77

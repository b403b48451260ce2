"""The durable map: results in order, a bounded window, and going on where it stopped."""

import itertools
import signal
import sys
import threading

import pytest

from qml import BatchFailed, ConfigurationError, JobFailed, JobNotFound, Qml, RetryPolicy, StateKind
from qml.work.mapping import CHUNK
from tests.work.support import eventually


@pytest.fixture
def app(make_storage):
    """With the store's own clock, since servers run beside."""
    return Qml(make_storage(retry=RetryPolicy(max_retries=0)))


class Work:
    """A task that keeps what it was called with; it fails for ``bad``."""

    def __init__(self, app):
        self.calls = []
        self.bad = set()
        self.task = app.task(name="square")(self.square)

    def square(self, n):
        self.calls.append(n)
        if n in self.bad:
            raise ValueError(f"{n} is bad")
        return n * n


@pytest.fixture
def work(app):
    return Work(app)


def squares(numbers):
    return [n * n for n in numbers]


def test_results_come_in_the_order_of_the_inputs(app, work):
    inputs = [5, 3, 9, 1, 7] * 10
    assert list(work.task.map(inputs, threads=3)) == squares(inputs)
    assert sorted(work.calls) == sorted(inputs)


def test_no_inputs_no_results(work):
    assert list(work.task.map([])) == []


def test_results_come_before_all_inputs_are_read(work):
    results = work.task.map(itertools.count(), window=20)
    assert [next(results) for _ in range(50)] == squares(range(50))
    results.close()
    assert max(work.calls) < 50 + 20


def test_the_window_bounds_what_is_in_the_store(app, work):
    seen = []
    for _ in work.task.map(range(60), window=10, threads=2):
        counts = app.storage.get_job_counts()
        seen.append(sum(counts.values()) - counts[StateKind.SUCCEEDED])
    assert max(seen) <= 10


def test_a_second_run_goes_on(work):
    results = work.task.map(range(40), batch="b", window=8)
    assert [next(results) for _ in range(5)] == squares(range(5))
    results.close()
    done = len(work.calls)
    assert done < 40
    assert list(work.task.map(range(40), batch="b")) == squares(range(40))
    assert sorted(work.calls) == list(range(40))


def test_a_third_run_runs_nothing(work):
    for _ in range(3):
        assert list(work.task.map(range(CHUNK + 5), batch="b")) == squares(range(CHUNK + 5))
    assert len(work.calls) == CHUNK + 5


def test_another_input_at_a_place_is_run(work):
    assert list(work.task.map([1, 2, 3], batch="b")) == [1, 4, 9]
    assert list(work.task.map([1, 5, 3, 4], batch="b")) == [1, 25, 9, 16]
    assert sorted(work.calls) == [1, 2, 3, 4, 5]


def test_two_runs_at_once_share_the_work(make_storage, app, work):
    def other():
        return list(work.task.map(range(100), batch="b", window=30))

    results = []
    thread = threading.Thread(target=lambda: results.append(other()))
    thread.start()
    results.append(other())
    thread.join(60)
    assert results == [squares(range(100))] * 2
    assert sorted(work.calls) == list(range(100))


def test_failures_end_nothing_and_are_reported(work):
    work.bad = {3, 7, 8}
    with pytest.raises(BatchFailed) as caught:
        list(work.task.map(range(12), batch="b"))
    assert len(work.calls) == 12
    assert caught.value.failed == 3
    assert len(caught.value.job_ids) == 3
    text = str(caught.value)
    assert "3 of 12 jobs of batch b have no result" in text
    assert "input 7" in text
    assert "ValueError: 8 is bad" in text
    assert "retry_failed=True" in text


def test_what_comes_behind_a_failure_is_not_given_out(work):
    work.bad = {3}
    results = work.task.map(range(12))
    assert [next(results) for _ in range(3)] == squares(range(3))
    with pytest.raises(BatchFailed):
        next(results)


def test_failures_may_stand_in_their_place(work):
    work.bad = {1}
    one, two, three = work.task.map(range(3), return_failures=True)
    assert (one, three) == (0, 4)
    assert isinstance(two, JobFailed)
    assert "input 1" in str(two)


def test_what_failed_is_run_again_when_asked_for(work):
    work.bad = {2, 4}
    with pytest.raises(BatchFailed):
        list(work.task.map(range(6), batch="b"))
    work.bad = {4}
    with pytest.raises(BatchFailed):
        list(work.task.map(range(6), batch="b"))
    assert len(work.calls) == 6
    with pytest.raises(BatchFailed, match="1 of 6"):
        list(work.task.map(range(6), batch="b", retry_failed=True))
    work.bad = set()
    assert list(work.task.map(range(6), batch="b", retry_failed=True)) == squares(range(6))
    assert sorted(work.calls) == [0, 1, 2, 2, 3, 4, 4, 4, 5]


def test_two_runs_may_have_the_same_jobs_run_again(app, work, monkeypatch):
    work.bad = {1}
    list(work.task.map(range(2), batch="b", return_failures=True))
    work.bad = set()
    get_many = app.storage.get_many

    def and_another_is_faster(ids):
        found = get_many(ids)
        if StateKind.FAILED in [job.state.kind for job in found if job]:
            app.batch("b").retry_failed()
        return found

    monkeypatch.setattr(app.storage, "get_many", and_another_is_faster)
    results = work.task.map(range(2), batch="b", retry_failed=True)
    assert list(results) == squares(range(2))


def test_what_follows_runs_though_another_run_opened_the_batch_and_died(app):
    hold, told = threading.Event(), []
    task = app.task(name="held")(lambda n: n == 0 or hold.wait(60))
    report = app.task(name="report")(told.append)
    results = task.map(range(2), batch="b", threads=1, on_finish=report)
    assert next(results)
    app.batch("b").open()  # the first result is there, so all were enqueued, and it was closed
    hold.set()
    assert list(results) == [True]
    assert told == ["b"]


def test_forgotten_jobs_are_gone_and_not_run_again(app, work):
    assert list(work.task.map(range(50), batch="b", window=10, forget=True)) == squares(range(50))
    assert app.batch("b").progress.total == 0
    assert list(work.task.map(range(53), batch="b", forget=True)) == squares(range(50, 53))
    assert len(work.calls) == 53
    app.batch("b").delete()
    assert list(work.task.map(range(3), batch="b")) == squares(range(3))


def test_of_a_map_without_a_name_that_forgets_nothing_is_left(app, work):
    assert list(work.task.map(range(5), forget=True)) == squares(range(5))
    assert app.storage.list() == []
    assert app.storage.driver.list("map/") == []


def test_what_follows_runs_before_it_returns(app, work):
    told = []
    report = app.task(name="report", queue="reports")(told.append)
    assert len(list(work.task.map(range(5), batch="b", on_success=report, on_finish=report))) == 5
    assert told == ["b", "b"]


def test_others_may_do_the_work(app, work):
    results = []
    thread = threading.Thread(
        target=lambda: results.extend(work.task.map(range(30), batch="b", threads=0))
    )
    thread.start()
    eventually(lambda: app.batch("b").progress.total == 30)
    assert work.calls == []
    app.server(threads=2).run(burst=True)
    thread.join(60)
    assert results == squares(range(30))


def test_it_runs_jobs_of_its_own_queue_only(app, work):
    other = app.task(name="other", queue="other")(lambda: None)
    job = other.enqueue()
    list(work.task.map(range(3)))
    assert app.storage.get(job.id).state.kind is StateKind.ENQUEUED


def test_a_result_that_is_gone_is_an_error_that_says_so(app, work):
    hold = threading.Event()
    slow = app.task(name="slow")(lambda n: hold.wait(60))
    results = slow.map([1], batch="b", threads=0)

    def remove():
        [job] = eventually(lambda: app.batch("b").jobs())
        app.storage.driver.erase([job.id], 1)  # delete() would have it seen as deleted first

    thread = threading.Thread(target=remove)
    thread.start()
    with pytest.raises(JobNotFound, match="input 0 of batch b, was removed"):
        list(results)
    thread.join(60)


def test_arguments_that_do_not_fit_show_before_anything_runs(app, work):
    none = app.task(name="none")(lambda: None)
    with pytest.raises(Exception, match="positional argument"):
        list(none.map([1]))


@pytest.mark.parametrize("window", [0, -1, 2.5, True])
def test_a_window_is_a_number(work, window):
    with pytest.raises(ConfigurationError, match="window is"):
        work.task.map([1], window=window)


def test_progress_is_told_on_stderr(work, capsys, monkeypatch):
    monkeypatch.setattr("qml.work.progress.ELSEWHERE", 0.0)
    list(work.task.map(range(5), batch="sizes", progress=True))
    work.bad = {9}
    with pytest.raises(BatchFailed):
        list(work.task.map([1, 9], batch="sizes2", progress=True))
    list(work.task.map([1, 2], batch="sizes3"))
    told = capsys.readouterr()
    assert told.out == ""
    assert {line.partition(":")[0] for line in told.err.splitlines()} == {"sizes", "sizes2"}


def test_ctrl_c_lets_what_runs_end_and_says_how_to_go_on(app, work, capsys):
    started, go_on = threading.Event(), threading.Event()
    ended = []

    @app.task(name="slow")
    def slow(n):
        started.set()
        go_on.wait(60)
        ended.append(n)

    def interrupt():
        started.wait(60)
        signal.raise_signal(signal.SIGINT)
        try:
            eventually(lambda: "stopping" in sys.stderr.getvalue())
        finally:
            go_on.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(slow.map(range(50), batch="b", threads=1))
    thread.join(60)
    said = capsys.readouterr().err
    assert "b: stopping: running jobs have 30 s to end" in said
    assert "The results of 0 inputs were given out" in said
    assert "batch='b', to go on" in said
    counts = app.storage.get_job_counts()
    assert counts[StateKind.PROCESSING] == 0
    assert counts[StateKind.SUCCEEDED] == len(ended)
    assert len(ended) < 50
    assert len(list(slow.map(range(50), batch="b", threads=1))) == 50
    assert sorted(ended) == list(range(50))

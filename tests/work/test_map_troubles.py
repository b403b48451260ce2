"""The durable map where something goes wrong: the store, the inputs, those who take the results."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from qml import (
    BatchFailed,
    ConfigurationError,
    JobFilter,
    Qml,
    RetryPolicy,
    SerializationError,
    StorageClosed,
    StorageUnavailable,
)
from qml.work.enduring import Enduring
from qml.work.interrupts import Interrupts
from tests.house.rules import REPO
from tests.work.support import Failing, eventually


@pytest.fixture
def app(make_storage):
    """With the store's own clock, since servers run beside."""
    return Qml(make_storage(retry=RetryPolicy(max_retries=0)))


@pytest.fixture
def bad():
    """The numbers that cannot be squared."""
    return set()


@pytest.fixture
def calls():
    return []


@pytest.fixture
def square(app, bad, calls):
    @app.task(name="square")
    def square(n):
        calls.append(n)
        if n in bad:
            raise ValueError(f"{n} is bad")
        return n * n

    return square


# -- the store -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True], ids=["before", "the answer"])
@pytest.mark.parametrize("verb", ["load", "insert", "wait"])
def test_an_outage_is_a_pause(app, square, calls, verb, lost):
    driver = app.storage.driver = Failing(app.storage.driver)
    driver.lost = {verb} if lost else set()
    results = square.map(range(30), batch="b", window=7, threads=1)
    driver.plan = {verb: 3}
    assert list(results) == [n * n for n in range(30)]
    assert driver.failed[verb] == 3
    assert sorted(calls) == list(range(30))


def test_an_outage_while_it_remembers_what_it_forgot(app, square, calls):
    driver = app.storage.driver = Failing(app.storage.driver)
    results = square.map(range(30), batch="b", window=7, threads=1, forget=True)
    driver.plan = {"erase": 1, "write": 1}
    assert list(results) == [n * n for n in range(30)]
    driver.plan = {}
    assert app.batch("b").progress.total == 0
    assert list(square.map(range(31), batch="b", forget=True)) == [900]


def test_ctrl_c_ends_the_wait_for_a_store():
    looks = []

    def look():
        looks.append(1)
        if len(looks) == 5:
            raise KeyboardInterrupt

    def down(n):
        raise StorageUnavailable("away")

    naps = []
    with pytest.raises(KeyboardInterrupt):
        Enduring("map b", look, naps.append)(down, 1)
    assert naps
    assert max(naps) <= 0.25


def test_it_does_not_wait_for_a_closed_storage(make_storage):
    storage = make_storage()
    app, ended = Qml(storage), []
    square = app.task(name="square")(lambda number: number)

    def run():
        try:
            list(square.map(range(3), batch="b", threads=0))
        except StorageClosed as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    eventually(lambda: app.batch("b").progress.total == 3)
    storage.close()
    thread.join(20)
    assert "is closed" in str(ended[0])


def test_it_says_so_when_its_server_takes_no_more(app, square, capsys):
    results = []
    server = app.server(threads=1, max_jobs=2)
    thread = threading.Thread(
        target=lambda: results.extend(square.map(range(5), batch="b", server=server))
    )
    thread.start()
    told = []

    def is_told():
        told.append(capsys.readouterr().err)
        return "b: its server takes no more jobs (" in "".join(told)

    eventually(is_told)
    app.server(threads=2).run(burst=True)
    thread.join(60)
    assert results == [0, 1, 4, 9, 16]
    assert "".join(told).count("takes no more") == 1


# -- the inputs ------------------------------------------------------------------------------------


def test_inputs_that_raise_end_it_and_it_goes_on(app, square, calls):
    def inputs(end):
        yield from range(end)
        raise OSError("the file ends here")

    results = square.map(inputs(10), batch="b", window=4)
    taken = []
    with pytest.raises(OSError, match="the file ends here"):
        taken.extend(results)
    assert taken == [n * n for n in range(len(taken))]
    assert app.batch("b").progress.open
    assert list(square.map(range(12), batch="b")) == [n * n for n in range(12)]
    assert sorted(calls) == list(range(12))


def test_an_input_that_json_cannot_keep_is_named(square):
    with pytest.raises(SerializationError) as caught:
        list(square.map([1, 2, {3}, 4], batch="b"))
    assert caught.value.__notes__ == ["it is input 2 of batch b"]


def test_a_batch_that_its_task_waits_for(app, square):
    waits = square.using(run_after=app.batch("b"))
    with pytest.raises(ConfigurationError, match="is of batch 'b' and comes after it"):
        list(waits.map([1, 2], batch="b"))
    assert app.storage.count(JobFilter()) == 0


def test_a_window_of_one(app, square):
    assert list(square.map(range(5), window=1)) == [n * n for n in range(5)]


# -- who takes the results -------------------------------------------------------------------------


def test_nothing_runs_on_when_nobody_takes_the_results(square):
    list(square.map([1]))  # from then on the store has its own threads
    before = set(threading.enumerate())
    for n in square.map(range(1_000), window=5):
        if n == 9:
            break
    eventually(lambda: set(threading.enumerate()) <= before)


def test_a_map_that_rests_leaves_ctrl_c_alone(square):
    before = signal.getsignal(signal.SIGINT)
    one, two = square.map(range(9), window=2), square.map(range(20), window=2)
    for _ in zip(one, two, strict=False):
        assert signal.getsignal(signal.SIGINT) is before
    two.close()
    assert signal.getsignal(signal.SIGINT) is before
    held = square.map(range(9), window=2)
    next(held)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert list(held) == [n * n for n in range(1, 9)]


def test_inputs_keep_their_ctrl_c(square, capsys):
    def inputs():
        yield 1
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

    with pytest.raises(KeyboardInterrupt):
        list(square.map(inputs(), batch="b"))
    assert "batch='b', to go on" in capsys.readouterr().err


def test_ctrl_c_is_kept_until_it_is_looked_for():
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.look()
        with pytest.raises(KeyboardInterrupt), interrupts.aside():
            raise AssertionError("it went on")


def test_another_thread_may_go_on_with_it(square):
    before = signal.getsignal(signal.SIGINT)
    results = square.map(range(9), window=2)
    next(results)
    rest = []
    thread = threading.Thread(target=lambda: rest.extend(results))
    thread.start()
    thread.join(60)
    assert rest == [n * n for n in range(1, 9)]
    assert signal.getsignal(signal.SIGINT) is before


LEFT = """
from qml import Qml

jobs = Qml("memory://")
square = jobs.task(name="square")(lambda n: n * n)

def main():
    results = square.map(range(5_000))
    next(results)
    raise ValueError("this traceback keeps the results alive")

main()
"""


def test_a_program_that_fails_in_the_middle_ends():
    ended = subprocess.run(
        [sys.executable, "-c", LEFT],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith("ValueError: this traceback keeps the results alive\n")


# -- what has no result ----------------------------------------------------------------------------


def test_what_was_not_given_out_is_not_forgotten(square, bad, calls):
    bad.add(3)
    with pytest.raises(BatchFailed):
        list(square.map(range(8), batch="b", forget=True))
    bad.clear()
    results = square.map(range(8), batch="b", forget=True, retry_failed=True)
    assert list(results) == [n * n for n in range(3, 8)]
    assert sorted(calls) == [0, 1, 2, 3, 3, 4, 5, 6, 7]


def test_who_stops_early_has_what_was_given_out_forgotten(square):
    results = square.map(range(8), batch="b", forget=True)
    assert [next(results) for _ in range(4)] == [0, 1, 4, 9]
    results.close()
    # The fourth was taken, and perhaps not dealt with.
    assert list(square.map(range(8), batch="b", forget=True)) == [9, 16, 25, 36, 49]


def test_what_was_cancelled_stays_so_until_it_is_removed(app, square):
    batch, told = app.batch("a b"), []

    def run():
        try:
            list(square.map(range(3), batch="a b", threads=0))
        except BatchFailed as error:
            told.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: batch.progress.total == 3)
    batch.cancel("no need")
    thread.join(60)
    [text] = told
    assert "deleted: no need" in text
    assert "retry_failed" not in text
    assert "qml jobs purge --batch 'a b' --state deleted" in text
    with pytest.raises(BatchFailed):
        list(square.map(range(3), batch="a b", retry_failed=True))
    app.storage.delete_many(JobFilter(batch="a b", states=["deleted"]))  # as that command does
    assert list(square.map(range(3), batch="a b")) == [0, 1, 4]


# -- names -----------------------------------------------------------------------------------------


def test_any_text_is_a_name(app, square):
    for name in ("a/b", '{"é": [%s]}', "* ?'; --", "new\nline", "x" * 200):
        assert list(square.map([1, 2], batch=name, forget=True)) == [1, 4]
        assert list(square.map([1, 2, 3], batch=name, forget=True)) == [9]
        assert app.batch(name).progress.total == 0


def test_what_is_no_text_is_no_name(app):
    for name in ("", "a\0b", "\ud800", 5):
        with pytest.raises((SerializationError, ValueError), match="batch name"):
            app.batch(name)


def test_what_is_no_task_or_server_is_refused_and_nothing_is_stored(app):
    work = app.task(name="work")(lambda n: n)
    with pytest.raises(ConfigurationError, match=r"^map's task is .*; give a task, made by @jobs"):
        app.map(print, [1])
    with pytest.raises(ConfigurationError, match=r"^on_finish is 'finish'; give a task"):
        work.map([1], on_finish="finish")
    with pytest.raises(ConfigurationError, match=r"^server is 8; give one made by jobs.server"):
        work.map([1], server=8)
    assert app.storage.list() == []


def test_an_empty_name_is_no_new_one(app):
    with pytest.raises(ConfigurationError, match=r"^batch name is ''; give text"):
        app.task(name="work")(lambda n: n).map([1], batch="")

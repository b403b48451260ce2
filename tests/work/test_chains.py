"""What comes after a task: in the same step as its success, with its result if it asks."""

import pytest

from qml import ConfigurationError, Discard, JobNotFound, StateKind
from tests.work.support import Counting


@pytest.fixture
def ran(app):
    app.ran = []
    return app.ran


@pytest.fixture
def tasks(app, ran):
    @app.task(queue="one")
    def fetch(url):
        ran.append(("fetch", url))
        return {"size": len(url)}

    @app.task(queue="two", priority=3, timeout_seconds=9)
    def parse(result, mode="fast"):
        ran.append(("parse", result, mode))
        return result["size"] * 2

    @app.task
    def store(name, result=None):
        ran.append(("store", name, result))

    @app.task
    def alone():
        ran.append(("alone",))

    return fetch, parse, store, alone


def drain(app):
    server = app.server()
    while server.step():
        pass


def test_a_chain_hands_results_on(app, ran, tasks):
    fetch, parse, store, alone = tasks
    chain = fetch.then(parse, mode="slow").then(store, "x").then(alone)
    chain.enqueue("http://a")
    drain(app)
    assert ran == [
        ("fetch", "http://a"),
        ("parse", {"size": 8}, "slow"),
        ("store", "x", 16),
        ("alone",),
    ]


def test_a_step_that_fails_is_followed_and_kept_as_its_task_says(app, ran, tasks):
    @app.task
    def repair(job_id, exception):
        ran.append(exception)

    @app.task(max_retries=0, on_failure=repair)
    def alarm(job_id, exception):
        ran.append(exception)
        raise ValueError("no line")

    @app.task(max_retries=0, on_failure=alarm, retention=77)
    def burst(result):
        raise OSError("a pipe")

    tasks[0].then(burst).enqueue("a")
    drain(app)
    assert ran == [("fetch", "a"), "OSError: a pipe", "ValueError: no line"]
    [failed] = app.storage.list("failed", method=burst.name)
    assert failed.retention.failed == 77


def test_a_chain_in_a_chain_is_the_same(app, ran, tasks):
    fetch, parse, store, _ = tasks
    fetch.then(parse.then(store, "y")).enqueue("a")
    drain(app)
    assert [name for name, *_ in ran] == ["fetch", "parse", "store"]


def test_each_step_runs_as_its_task_says(app, tasks):
    fetch, parse, *_ = tasks
    fetch.then(parse).enqueue("a")
    server = app.server()
    assert server.step() == 1
    [job] = app.storage.list("enqueued")
    assert (job.method, job.queue, job.priority) == (parse.name, "two", 3)
    assert job.timeout_seconds == 9
    assert job.kwargs == {"result": {"size": 1}}


def test_the_task_itself_stays_as_it_was(app, ran, tasks):
    fetch, parse, *_ = tasks
    fetch.then(parse)
    fetch.enqueue("a")
    drain(app)
    assert [name for name, *_ in ran] == ["fetch"]


def test_what_is_given_is_not_asked_for(app, ran, tasks):
    fetch, _, store, _ = tasks
    fetch.then(store, "x", result="mine").enqueue("a")
    drain(app)
    assert ran[-1] == ("store", "x", "mine")


@pytest.mark.parametrize("error", [ValueError("no"), Discard("no need")])
def test_a_chain_ends_where_one_does_not_succeed(app, ran, tasks, error):
    @app.task(max_retries=0)
    def bad():
        raise error

    bad.then(tasks[3]).enqueue()
    drain(app)
    assert ran == []


def test_success_and_what_follows_are_one_step(app, tasks):
    fetch, parse, *_ = tasks
    fetch.then(parse).enqueue("a")
    app.storage.driver = counting = Counting(app.storage.driver)
    app.server().step()
    assert counting.calls["swap"] == 1
    assert "insert" not in counting.calls


def test_a_retry_of_the_first_makes_the_second_once_a_success(app, ran, tasks):
    fetch, _, _, alone = tasks
    job = fetch.then(alone).enqueue("a")
    drain(app)
    assert app.storage.get(job.id).state.kind is StateKind.SUCCEEDED
    assert [name for name, *_ in ran] == ["fetch", "alone"]


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1, 2, 3), {}), ((), {"no": 1}), ((), {"mode": 1, "result": 2, "x": 3})]
)
def test_arguments_that_do_not_fit_show_at_once(tasks, args, kwargs):
    fetch, parse, *_ = tasks
    with pytest.raises(ConfigurationError, match="parse"):
        fetch.then(parse, *args, **kwargs)


def test_arguments_that_are_missing_show_at_once(tasks):
    fetch, _, store, _ = tasks
    with pytest.raises(ConfigurationError, match=r"missing.*then\(\) the arguments"):
        fetch.then(store)


def test_what_is_no_task_cannot_come_after(tasks):
    with pytest.raises(ConfigurationError, match=r"what then takes is <built-in .*; give a task"):
        tasks[0].then(print)


def test_what_is_no_task_is_no_job_of_a_batch(app):
    with pytest.raises(ConfigurationError, match=r"what batch.enqueue takes is .*; give a task"):
        app.batch("b").enqueue(print)


def test_limits_of_a_step_are_its_own(app, tasks):
    @app.task(concurrency_key="site {site}", concurrency_limit=2, rate="5/s")
    def crawl(site, result=None):
        pass

    tasks[0].then(crawl, "a").enqueue("x")
    app.server().step()
    [job] = app.storage.list("enqueued")
    assert (job.concurrency_key, job.concurrency_limit) == ("site a", 2)
    assert (str(job.rate), job.rate_key) == ("5/s", crawl.name)


def test_a_key_cannot_name_what_is_not_known_yet(app, tasks):
    @app.task(concurrency_key="size {result}", concurrency_limit=2)
    def crawl(result):
        pass

    with pytest.raises(ConfigurationError, match="concurrency_key names an argument"):
        tasks[0].then(crawl)
    with pytest.raises(ConfigurationError, match="concurrency_key names an argument"):
        tasks[0].using(on_failure=app.task(concurrency_key="{why}", concurrency_limit=1)(mend))


def mend(job_id, why):
    """What is enqueued for a failure."""


# -- run_after -----------------------------------------------------------------------------------


def test_a_job_after_several(app, ran, tasks):
    fetch, _, store, _ = tasks
    first = fetch.enqueue_many([("a",), ("b",)])
    store.using(run_after=first).enqueue("end")
    drain(app)
    assert [name for name, *_ in ran] == ["fetch", "fetch", "store"]


def test_after_one_by_its_id(app, ran, tasks):
    fetch, _, store, _ = tasks
    store.using(run_after=[fetch.enqueue("a").id]).enqueue("end")
    store.using(run_after=fetch.enqueue("b")).enqueue("end")
    drain(app)
    assert [name for name, *_ in ran] == ["fetch", "fetch", "store", "store"]


@pytest.mark.parametrize(("if_failed", "runs"), [("cancel", False), ("run", True)])
def test_when_one_fails(app, ran, tasks, if_failed, runs):
    @app.task(max_retries=0)
    def bad():
        raise ValueError("no")

    job = tasks[3].using(run_after=bad.enqueue(), if_failed=if_failed).enqueue()
    drain(app)
    assert bool(ran) == runs
    assert app.storage.get(job.id).state.kind.value == ("succeeded" if runs else "deleted")


@pytest.mark.parametrize("wrong", [[], [None], ["", "a"], "soon", object()])
def test_what_cannot_be_waited_for(tasks, wrong):
    with pytest.raises(ConfigurationError, match="run_after is"):
        tasks[3].using(run_after=wrong)


def test_what_is_gone_cannot_be_waited_for(tasks):
    with pytest.raises(JobNotFound, match="enqueue that one first"):
        tasks[3].using(run_after=["nobody"]).enqueue()


def test_if_failed_is_one_of_two(tasks):
    with pytest.raises(ConfigurationError, match="cancel, run"):
        tasks[3].using(if_failed="perhaps")

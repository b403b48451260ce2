"""``qml jobs``: what is shown, what is changed, what is refused."""

import json
from datetime import timedelta

import pytest

from qml import (
    Deleted,
    Failed,
    Failure,
    Job,
    JobNotFound,
    Scheduled,
    StorageUnavailable,
    Succeeded,
    connect,
)
from qml.cli import jobs as commands

EVIL = "\x1b[31m\x1b]0;pwned\x07\x9b\u202e\x00"


@pytest.fixture(autouse=True)
def _url(monkeypatch):
    monkeypatch.setenv("QML_URL", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    with connect("sqlite:///jobs.db") as storage:
        yield storage


def finished(store, state, **options):
    job = store.enqueue(Job("m", **options))
    return store.finish(store.fetch_and_lock_job("w"), state), job.id


# -- list ------------------------------------------------------------------------------------------


def listed(qml, *flags):
    called = qml("jobs", "list", "--json", *flags)
    assert called.code == 0, called.err
    return json.loads(called.out)


def test_the_newest_come_first_in_pages(qml, store):
    ids = [store.enqueue(Job("m")).id for _ in range(25)][::-1]
    assert [job["id"] for job in listed(qml)] == ids[:20]
    assert [job["id"] for job in listed(qml, "--limit", 3, "--offset", 20)] == ids[20:23]
    assert listed(qml, "--limit", 0) == []


def test_filters(qml, store):
    finished(store, Succeeded())
    finished(store, Failed())
    store.enqueue_many([Job("m", queue="q"), Job("n", queue="q"), Job("n")])
    assert len(listed(qml, "--queue", "q")) == 2
    assert len(listed(qml, "--queue", "q", "--method", "n")) == 1
    both = listed(qml, "--state", "failed", "--state", "succeeded")
    assert [job["state"]["kind"] for job in both] == ["failed", "succeeded"]


def test_an_unknown_state_is_wrong_usage(qml, store):
    called = qml("jobs", "list", "--state", "lost")
    assert called.code == 2
    assert "awaiting_retry" in called.err


@pytest.mark.parametrize("flag", ["--limit", "--offset"])
def test_a_negative_number_is_refused(qml, store, flag):
    assert qml("jobs", "list", f"{flag}=-1").code == 2


def test_the_json_is_the_record(qml, store):
    _, job_id = finished(store, Succeeded(result={"n": 2**70}), metadata={"k": [1, None]})
    [found] = listed(qml)
    assert Job.from_json(json.dumps(found)) == store.get(job_id)


def test_the_table(qml, store):
    finished(store, Succeeded(total_duration_ms=1_500))
    finished(store, Failed(exception="E: first\nsecond"))
    hour = timedelta(hours=1, seconds=30)
    store.enqueue(Job("later", queue="q", state=Scheduled(enqueue_at=store.now() + hour)))
    title, *rows = qml("jobs", "list").out.splitlines()
    assert title.split() == ["ID", "STATE", "METHOD", "QUEUE", "TRY", "CREATED", "NOTE"]
    shown = [row.split(maxsplit=1)[1] for row in rows]
    assert [row.split("now")[0].split() for row in shown] == [
        ["scheduled", "later", "q", "0/6"],
        ["failed", "m", "default", "1/6"],
        ["succeeded", "m", "default", "1/6"],
    ]
    assert [row.split("now")[1].strip() for row in shown] == ["in 1 h", "E: first", "took 1.5 s"]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_fits_the_terminal(qml, store, monkeypatch, width):
    store.enqueue(Job("a.very.long.package.name.and.a.very_long_function_name", queue="q" * 50))
    finished(store, Failed(exception="E: " + "x" * 200))
    monkeypatch.setenv("COLUMNS", str(width))
    out = qml("jobs", "list").out
    assert max(map(len, out.splitlines())) <= width


def test_no_job(qml, store):
    assert qml("jobs", "list").out == "No job.\n"
    assert listed(qml) == []


# -- show ------------------------------------------------------------------------------------------


def test_everything_of_a_job(qml, store):
    job = store.enqueue(
        Job(
            "app.mail",
            ["ada", 2**70],
            {"cc": None},
            queue="mail",
            priority=3,
            max_retries=1,
            timeout_seconds=2.5,
            job_type="letter",
            metadata={"by": "me"},
            unique_key="ada",
        )
    )
    for _ in range(2):
        claimed = store.fetch_and_lock_job("worker-7")
        trace = f"Traceback ...\n  line {claimed.attempt}"
        failure = Failure(claimed.attempt, store.now(), "", "E: no", trace)
        store.finish(claimed, Failed(exception="E: no", stack_trace=trace), failure)
        store.retry(job.id)
    out = qml("jobs", "show", job.id).out
    for fact in (
        f"id            {job.id}",
        "method        app.mail",
        "state         enqueued",
        f'arguments     ["ada", {2**70}]',
        'kwargs        {"cc": null}',
        'metadata      {"by": "me"}',
        "queue         mail",
        "priority      3",
        "attempts      2 of 3",
        "max retries   1",
        "time limit    2.5 s",
        "type          letter",
        "unique key    ada (while unfinished)",
        "failures      2",
    ):
        assert f"{fact}\n" in out
    assert ", on worker-7\n  E: no\n    Traceback ...\n      line 1\n" in out
    assert "    Traceback ...\n      line 2\n" in out


def test_what_each_state_says(qml, store):
    def shown(job_id):
        return qml("jobs", "show", job_id).out

    _, job_id = finished(store, Succeeded(total_duration_ms=5, result=[1]))
    assert "  took        5.0 ms\n  result      [1]\n" in shown(job_id)
    _, job_id = finished(store, Deleted(reason="not wanted"))
    assert "  reason      not wanted\n" in shown(job_id)
    _, job_id = finished(store, Failed(exception="E: a\nb", stack_trace="T"))
    assert "  exception   E: a\n              b\n  traceback   T\n" in shown(job_id)
    job = store.enqueue(Job("m", state=Scheduled(enqueue_at=store.now() + timedelta(days=2.5))))
    assert " UTC, in 2 d\n" in shown(job.id)
    store.enqueue(Job("m"))
    job = store.fetch_and_lock_job("w", server_name="web-1")
    assert "  worker      w\n  server      web-1\n" in shown(job.id)
    assert "lease         held until " in shown(job.id)


def test_a_damaged_job_is_shown(qml, store, monkeypatch):
    job = Job("m", damage="payload not readable as JSON")
    monkeypatch.setattr(type(store), "get_many", lambda self, ids: [job])
    assert "damage        payload not readable as JSON\n" in qml("jobs", "show", job.id).out


def test_show_as_json(qml, store):
    job = store.enqueue(Job("m", [1.5, -0.0, {"a": ""}]))
    found = json.loads(qml("jobs", "show", job.id, "--json").out)
    assert Job.from_json(json.dumps(found)) == job


@pytest.mark.parametrize("job_id", ["nope", "", "a\x1b[2Jb", "\udcff", "'; --"])
@pytest.mark.parametrize("verb", ["show", "retry", "cancel", "delete"])
def test_no_such_job(qml, store, verb, job_id):
    called = qml("jobs", verb, job_id)
    assert called.code == 1
    assert "does not exist" in called.err
    assert called.err[:-1].isprintable()


# -- changes ---------------------------------------------------------------------------------------


def test_retry(qml, store):
    _, job_id = finished(store, Failed())
    called = qml("jobs", "retry", job_id)
    assert (called.code, called.out) == (0, f"{job_id}  enqueued again\n")
    assert store.get(job_id).state.kind == "enqueued"


def test_cancel(qml, store):
    job = store.enqueue(Job("m"))
    called = qml("jobs", "cancel", job.id, "--reason", "not wanted")
    assert (called.code, called.out) == (0, f"{job.id}  cancelled\n")
    assert store.get(job.id).state.reason == "not wanted"


def test_a_running_job_is_cancelled(qml, store):
    store.enqueue(Job("m"))
    job = store.fetch_and_lock_job("w")
    assert qml("jobs", "cancel", job.id).code == 0
    stored = store.get(job.id)
    assert stored.state.kind == "deleted"
    assert stored.lease_expires_at is not None


def test_a_job_that_succeeded_is_not_cancelled(qml, store):
    done, job_id = finished(store, Succeeded(result=7))
    called = qml("jobs", "cancel", job_id)
    assert called.code == 1
    assert "has succeeded: there is nothing to cancel" in called.err
    assert store.get(job_id) == done


def test_a_job_that_succeeds_in_between_is_not_cancelled(qml, store, monkeypatch):
    """It is running when it is looked at, and has its result when it is written."""
    store.enqueue(Job("m"))
    job = store.fetch_and_lock_job("w")
    cancel = commands.rules.cancel

    def slowly(seen, reason, now):
        if store.get(job.id).state.kind == "processing":
            store.finish(job, Succeeded(result=7))
        return cancel(seen, reason, now)

    monkeypatch.setattr(commands.rules, "cancel", slowly)
    assert qml("jobs", "cancel", job.id).code == 1
    assert store.get(job.id).state.result == 7


def test_delete(qml, store):
    _, job_id = finished(store, Succeeded())
    called = qml("jobs", "delete", job_id)
    assert (called.code, called.out) == (0, f"{job_id}  deleted\n")
    assert store.get(job_id) is None


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete"])
def test_each_of_several_is_reported(qml, store, verb):
    ids = [finished(store, Failed())[1] for _ in range(2)]
    called = qml("jobs", verb, ids[0], "nope", ids[1])
    assert called.code == 1
    assert [line.split()[0] for line in called.out.splitlines()] == ids
    assert called.err.count("\n") == 1
    assert "nope" in called.err


def test_an_id_given_twice_is_one(qml, store):
    _, job_id = finished(store, Failed())
    called = qml("jobs", "retry", job_id, job_id)
    assert (called.code, called.out.count("\n")) == (0, 1)


def test_what_cannot_be_retried(qml, store):
    _, job_id = finished(store, Succeeded())
    called = qml("jobs", "retry", job_id)
    assert called.code == 1
    assert "succeeded and cannot become enqueued" in called.err


def test_an_outage_ends_the_command(qml, store, monkeypatch):
    def away(self, job_id):
        raise StorageUnavailable("the store is away")

    monkeypatch.setattr(type(store), "retry", away)
    called = qml("jobs", "retry", "a", "b")
    assert (called.code, called.err) == (3, "qml: the store is away\n")


# -- hostile texts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_stored_texts_do_not_steer_the_terminal(qml, store, flags):
    named = EVIL.replace("\x00", "")
    store.enqueue(Job("m" + named, [EVIL], {EVIL: EVIL}, queue="q" + named, metadata={EVIL: 1}))
    job = store.fetch_and_lock_job("w" + named, server_name="s" + named)
    for command in (("list",), ("show", job.id)):
        assert qml("jobs", *command, *flags).out.replace("\n", "").isprintable()
    store.finish(job, Failed(exception="E: " + EVIL + "\r\nx", stack_trace="T\n\x1b[2J\n" + EVIL))
    for command in (("list",), ("show", job.id)):
        out = qml("jobs", *command, *flags).out
        assert out.replace("\n", "").isprintable()
        assert r"\x1b[31m" in out or r"\u001b[31m" in out
    with pytest.raises(JobNotFound):
        store.cancel("nope")
    called = qml("jobs", "cancel", job.id, "--reason", EVIL.replace("\x00", ""))
    assert called.code == 0
    assert qml("jobs", "show", job.id, *flags).out.replace("\n", "").isprintable()

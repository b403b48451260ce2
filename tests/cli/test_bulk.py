"""``qml jobs`` by filter: the number first, a yes before anything, and no job beyond the filter."""

import json
import time

import pytest

from qml import Failed, Job, JobFilter, ManualClock, Qml, Retention, Succeeded, connect
from qml.cli import bulk
from qml.storage.storage import Storage
from qml.values.errors import ConfigurationError
from qml.work import purging


@pytest.fixture(autouse=True)
def _url(monkeypatch):
    monkeypatch.setenv("QML_URL", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    with connect("sqlite:///jobs.db") as storage:
        storage.enqueue_many(
            [
                Job("mail", [n], queue="q" if n % 2 else "default", metadata={"user": n % 3})
                for n in range(30)
            ]
        )
        yield storage


def kinds(store):
    return {kind.value: count for kind, count in store.get_job_counts().items() if count}


@pytest.mark.parametrize("verb", ["cancel", "delete"])
def test_without_a_yes_it_is_counted_and_nothing_is_done(qml, store, verb):
    called = qml("jobs", verb, "--queue", "q")
    assert (called.code, called.out) == (2, "")  # a script shall not take it for done
    assert called.err == f"qml: 15 jobs to {verb}; nothing is done yet. To go on, give --yes\n"
    assert kinds(store) == {"enqueued": 30}


def test_those_that_the_filter_names_are_cancelled(qml, store):
    called = qml(
        *("jobs", "cancel", "--queue", "q", "--method", "mail", "--metadata", "user=1"),
        *("--reason", "spam", "--yes"),
    )
    assert (called.code, called.out) == (0, "5 jobs cancelled\n")
    gone = store.list("deleted")
    assert {(job.queue, job.metadata["user"], job.state.reason) for job in gone} == {
        ("q", 1, "spam")
    }
    assert kinds(store) == {"enqueued": 25, "deleted": 5}


@pytest.mark.parametrize(("answer", "done"), [("y\n", 15), ("yes\n", 15), ("\n", 0), ("n\n", 0)])
def test_a_person_is_asked(qml, store, monkeypatch, answer, done):
    class Person:
        def isatty(self):
            return True

        def readline(self):
            return answer

    monkeypatch.setattr("sys.stdin", Person())
    called = qml("jobs", "cancel", "--queue", "q")
    assert called.out.startswith("Cancel 15 jobs? [y/N] ")
    assert kinds(store).get("deleted", 0) == done


def test_ids_or_flags_and_not_both(qml, store):
    for words in ((), ("someid", "--queue", "q")):
        called = qml("jobs", "cancel", *words)
        assert called.code == 2
        assert "which jobs?" in called.err


FLAGS = ("--queue", "--method", "--batch", "--older-than", "--newer-than", "--text")


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_that_came_empty_stands_for_no_other_jobs(qml, store, flag):
    store.enqueue(Job("mail", id="seven"))
    for verb, *words in (("list",), ("purge",), ("cancel", "seven"), ("cancel",)):
        assert qml("jobs", verb, *words, flag, "").code == 2
    assert kinds(store) == {"enqueued": 31}


def test_failed_ones_are_retried_by_default(qml, store):
    for state in (Failed(exception="E"), Succeeded()):
        store.finish(store.fetch_and_lock_job("w"), state)
    assert qml("jobs", "retry", "--method", "mail", "--yes").out == "1 job enqueued again\n"
    assert kinds(store) == {"enqueued": 29, "succeeded": 1}


def test_purge_removes_what_has_ended_alone(qml, store):
    for state in (Failed(exception="E"), Succeeded()):
        store.finish(store.fetch_and_lock_job("w"), state)
    assert qml("jobs", "purge").out == "0 jobs purged\n"
    assert qml("jobs", "purge", "--state", "succeeded", "--yes").out == "1 job purged\n"
    assert qml("jobs", "purge", "--method", "mail", "--yes").out == "1 job purged\n"
    assert kinds(store) == {"enqueued": 28}
    refused = qml("jobs", "purge", "--state", "enqueued", "--yes")
    assert refused.code == 2
    assert "qml jobs delete" in refused.err


def test_purge_by_retention(qml, folder):
    clock = ManualClock(0.0)
    with connect("sqlite:///jobs.db", clock=clock) as old:
        old.enqueue(Job("m"))
        old.finish(old.fetch_and_lock_job("w"), Succeeded())
    assert qml("jobs", "purge").out == "1 job purged\n"


def test_purge_takes_shorter_steps_where_they_are_long(qml, folder, monkeypatch):
    with connect("sqlite:///jobs.db", clock=ManualClock(0.0)) as old:
        old.enqueue_many([Job("m") for _ in range(180)])
        claimed = old.fetch_available_jobs_atomic("w", 180)
        old.finish_many([(job, Succeeded()) for job in claimed])
    steps, purge_once = [], Storage.purge
    monkeypatch.setattr(
        Storage, "purge", lambda self, limit: steps.append(limit) or purge_once(self, limit)
    )
    monkeypatch.setattr(purging, "LONG", 0.0)
    assert qml("jobs", "purge").out == "180 jobs purged\n"
    assert steps[:4] == [100, 50, 25, 12]


@pytest.mark.parametrize(
    ("retention", "purged"),
    [(Retention(succeeded=60), 1), (Retention(succeeded=365 * 86_400), 0), (Retention(), 1)],
)
def test_purge_goes_by_the_terms_of_the_server_that_began_last(qml, folder, retention, purged):
    for terms in (Retention(succeeded=1e9), retention):
        with Qml("sqlite:///jobs.db", clock=ManualClock(0.0), retention=terms) as app:
            app.server().tick()
    ten_days_ago = ManualClock(time.time() - 10 * 86_400)
    with connect("sqlite:///jobs.db", clock=ten_days_ago) as old:
        old.enqueue(Job("m"))
        old.finish(old.fetch_and_lock_job("w"), Succeeded())
    assert qml("jobs", "purge").out == f"{purged} job{'s' * (not purged)} purged\n"


@pytest.mark.parametrize("body", ["{", "[]", '{"succeeded":0}', '{"other":1}'])
def test_nothing_is_purged_by_terms_that_cannot_be_read(qml, store, body):
    store.driver.write("retention", body, 0)
    called = qml("jobs", "purge")
    assert called.code == 3
    assert "record retention cannot be read, so nothing was purged" in called.err


def test_delete_by_filter(qml, store):
    assert qml("jobs", "delete", "--metadata", "user=2", "--yes").out == "10 jobs deleted\n"
    assert kinds(store) == {"enqueued": 20}


def test_a_list_by_metadata_and_age_comes_in_pages(qml, store):
    def listed(*flags):
        return json.loads(qml("jobs", "list", "--json", *flags).out)

    users = [job["arguments"][0] for job in listed("--metadata", "user=2", "--limit", "4")]
    assert users == [29, 26, 23, 20]
    second = listed("--metadata", "user=2", "--limit", "4", "--offset", "4")
    assert [job["arguments"][0] for job in second] == [17, 14, 11, 8]
    assert listed("--older-than", "1d") == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("90", 90), ("15m", 900), ("2h", 7200), ("1.5d", 129_600)]
)
def test_ages(text, seconds):
    assert bulk.age(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5y", "1h30", "h", "nan", "inf", "-1d", "1e300w"])
def test_what_is_no_age(text):
    with pytest.raises(ConfigurationError, match="--older-than"):
        bulk.age(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("true", True), ("ada", "ada"), ('"7"', "7"), ("a=b", "a=b"), ("", "")],
)
def test_metadata_is_json_or_text(qml, store, text, value):
    store.enqueue(Job("special", metadata={"k": value}))
    assert qml("jobs", "delete", "--metadata", f"k={text}", "--yes").out == "1 job deleted\n"
    assert store.count(JobFilter(method="special")) == 0


@pytest.mark.parametrize("text", ["k", "=5"])
def test_what_is_no_metadata(qml, store, text):
    called = qml("jobs", "cancel", "--metadata", text)
    assert called.code == 2
    assert "give NAME=VALUE" in called.err


@pytest.mark.parametrize("flag", ["--method", "--queue", "--batch", "--text", "--metadata"])
def test_what_is_no_text_is_wrong_usage(qml, store, flag):
    called = qml("jobs", "list", flag, "a=\udcff")
    assert (called.code, called.out) == (2, "")
    assert "lone surrogate" in called.err


def test_jobs_by_a_text_and_by_age(qml, store):
    store.enqueue(Job("mail", [{"to": "Ada"}], queue="q"))
    found = json.loads(qml("jobs", "list", "--text", "ADA", "--newer-than", "1h", "--json").out)
    assert [job["arguments"] for job in found] == [[{"to": "Ada"}]]
    assert qml("jobs", "cancel", "--text", "ada", "--yes").out == "1 job cancelled\n"
    assert json.loads(qml("jobs", "list", "--newer-than", "0s", "--json").out) == []
    assert "--newer-than is 'soon'" in qml("jobs", "list", "--newer-than", "soon").err

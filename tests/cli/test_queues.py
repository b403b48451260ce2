"""``qml queues``, and what the command line tells of jobs that share limits, queues and ends."""

import json
from datetime import UTC, datetime

import pytest

from qml import Followup, Job, Rate, StateKind, Succeeded, connect
from qml.storage import batches

EVIL = "\x1b[31m\x1b]0;pwned\x07\x9b\u202e"


@pytest.fixture(autouse=True)
def _url(monkeypatch):
    monkeypatch.setenv("QML_URL", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    with connect("sqlite:///jobs.db") as storage:
        yield storage


# -- queues ----------------------------------------------------------------------------------------


def test_none(qml, store):
    assert qml("queues").out == "No queue: there is no job, and none is paused.\n"
    assert json.loads(qml("queues", "list", "--json").out) == []


def test_looking_makes_no_store(qml, folder):
    for words in ((), ("list",), ("pause", "mail"), ("resume", "mail")):
        assert qml("queues", *words).code == 3
    assert list(folder.iterdir()) == []


def test_the_list(qml, store):
    store.enqueue_many([Job("m", queue="mail"), Job("m", queue="mail"), Job("m", queue="bulk")])
    store.finish(store.fetch_and_lock_job("w", queues=["mail"]), Succeeded())
    store.queues.pause("empty")
    for words in ((), ("list",)):
        called = qml("queues", *words)
        assert called.code == 0
        head, bulk, empty, mail = (line.split() for line in called.out.splitlines())
        assert head == ["QUEUE", "ENQUEUED", "SCHEDULED", "TO", "RETRY", "RUNNING", "ENDED"]
        assert bulk == ["bulk", "1", "0", "0", "0", "0"]
        assert mail == ["mail", "1", "0", "0", "0", "1"]
        assert empty[:7] == ["empty", "0", "0", "0", "0", "0", "paused"]


def test_json_tells_all(qml, store):
    store.enqueue(Job("m", queue="bulk"))
    store.queues.pause("mail")
    bulk, mail = json.loads(qml("queues", "--json").out)
    assert (bulk["name"], bulk["paused_at"]) == ("bulk", None)
    assert bulk["counts"] == {kind.value: int(kind == StateKind.ENQUEUED) for kind in StateKind}
    assert mail["name"] == "mail"
    since = datetime.fromisoformat(mail["paused_at"])
    assert since.tzinfo == UTC
    assert since == store.queues.paused()["mail"]


def test_pause_and_resume(qml, store):
    store.enqueue(Job("m", queue="mail"))
    called = qml("queues", "pause", "mail", "bulk", "mail")
    assert called.code == 0
    assert called.out == "mail  paused; what runs goes on\nbulk  paused; what runs goes on\n"
    assert store.fetch_and_lock_job("w") is None
    called = qml("queues", "resume", "mail", "web")
    assert (called.code, called.out) == (0, "mail  goes on\nweb  was not paused\n")
    assert set(store.queues.paused()) == {"bulk"}
    assert store.fetch_and_lock_job("w") is not None


def test_a_name_is_needed(qml, store):
    for verb in ("pause", "resume"):
        assert qml("queues", verb).code == 2
    called = qml("queues", "pause", "")
    assert called.code == 2
    assert "queue" in called.err
    assert store.queues.paused() == {}


def test_nothing_stored_steers_the_terminal(qml, store):
    [first, _] = store.enqueue_many(
        [
            Job("m", queue=EVIL, batch=EVIL, concurrency_key=EVIL, concurrency_limit=1),
            Job("m", queue=EVIL, concurrency_key=EVIL, concurrency_limit=1),
        ]
    )
    after = store.enqueue(Job("m", after=[first.id], on_success=Followup(EVIL, queue=EVIL)))
    paced = store.enqueue(Job("m", rate=Rate(1), rate_key=EVIL))
    store.fetch_and_lock_job("w")
    follows = store.enqueue(Job("m", after_batch=EVIL))
    called = [
        qml("queues"),
        qml("jobs", "list"),
        qml("queues", "pause", EVIL),
        qml("queues"),
        qml("jobs", "list", "--batch", EVIL),
        qml("jobs", "list"),
        *(qml("jobs", "show", job.id) for job in (first, after, paced, follows)),
        qml("queues", "resume", EVIL),
    ]
    assert [one.code for one in called] == [0] * len(called)
    said = "".join(one.out + one.err for one in called)
    assert not [sign for sign in said if not sign.isprintable() and sign != "\n"]


# -- jobs that share something ---------------------------------------------------------------------


def note(qml, job):
    """What the list says of a job, behind its columns."""
    [line] = [one for one in qml("jobs", "list").out.splitlines() if one.startswith(job.id)]
    return line


def facts(qml, job):
    """What ``show`` says of a job, by the name of the fact."""
    called = qml("jobs", "show", job.id)
    assert called.code == 0, called.err
    found = [line.split("  ", 1) for line in called.out.splitlines() if line.strip()]
    return {name.strip(): text.strip() for name, text in (one for one in found if len(one) == 2)}


def shown(qml, job):
    return qml("jobs", "show", job.id).out


def test_the_filter_of_a_batch(qml, store):
    ids = [store.enqueue(Job("m", batch="b", place=n)).id for n in range(3)]
    store.enqueue_many([Job("m"), Job("m", batch="other")])
    store.cancel(ids[0])

    def listed(*flags):
        return [job["id"] for job in json.loads(qml("jobs", "list", "--json", *flags).out)]

    assert listed("--batch", "b") == ids[::-1]
    assert listed("--batch", "b", "--limit", 1, "--offset", 1) == [ids[1]]
    assert listed("--batch", "b", "--state", "deleted") == [ids[0]]
    assert listed("--batch", "none") == []


def test_a_batch_is_changed_alone(qml, store):
    mine = [store.enqueue(Job("m", batch="b")).id for _ in range(2)]
    other = store.enqueue(Job("m"))
    assert qml("jobs", "cancel", "--batch", "b", "--yes").code == 0
    assert [store.get(one).state.kind for one in mine] == [StateKind.DELETED] * 2
    assert store.get(other.id).state.kind is StateKind.ENQUEUED


def test_what_limits_keep_back_is_said(qml, store):
    limited = [Job("m", concurrency_key="k", concurrency_limit=1) for _ in range(2)]
    _, second = store.enqueue_many(limited)
    assert "claimed" not in note(qml, second)
    assert "kept back" not in shown(qml, second)
    store.fetch_and_lock_job("w")
    assert note(qml, second).endswith("concurrency key k: 1 of 1 claimed")
    assert "concurrency key k: 1 of 1 claimed" in shown(qml, second)
    assert "kept back" in shown(qml, second)


def test_what_a_rate_keeps_back_is_said(qml, store):
    paced = [Job("m", rate=Rate(1, 3_600), rate_key="r") for _ in range(2)]
    _, second = store.enqueue_many(paced)
    store.fetch_and_lock_job("w")
    assert "of r: next start at " in note(qml, second)
    assert "of r: next start at " in shown(qml, second)


def test_a_paused_queue_is_said(qml, store):
    job = store.enqueue(Job("m", queue="mail"))
    store.queues.pause("mail")
    assert note(qml, job).endswith("queue mail is paused")
    assert "queue mail is paused" in shown(qml, job)


def test_whom_a_job_waits_for_is_said(qml, store):
    parents = [store.enqueue(Job("m")).id for _ in range(2)]
    child = store.enqueue(Job("m", after=parents))
    batches.expect(store.driver, "b", more=True)
    last = store.enqueue(Job("m", after_batch="b", needs_success=False))
    assert note(qml, child).endswith("2 left of what it comes after")
    assert note(qml, last).endswith("0 left of batch b, and more to come")
    assert "2 left of what it comes after" in shown(qml, child)
    assert f"{parents[0]}, {parents[1]} (if it succeeds)" in shown(qml, child)
    assert "batch b (in any case)" in shown(qml, last)


def test_what_a_job_shares_is_shown(qml, store):
    job = store.enqueue(
        Job(
            "m",
            concurrency_key="user:7",
            concurrency_limit=3,
            rate=Rate(20, burst=5),
            rate_key="mail",
            batch="b",
            place=1_234,
            on_success=Followup("next", queue="web"),
        )
    )
    found = facts(qml, job)
    assert found["concurrency"] == "user:7, at most 3"
    assert found["rate"].endswith(" of mail")
    assert found["rate"].startswith("20/")
    assert found["batch"] == "b, input 1,234"
    assert found["then"] == "next (queue web)"


def test_nothing_is_shown_of_what_a_job_does_not_share(qml, store):
    found = facts(qml, store.enqueue(Job("m")))
    assert not {"concurrency", "rate", "batch", "after", "then", "kept back"} & set(found)

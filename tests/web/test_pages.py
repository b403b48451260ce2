"""The pages on every kind of storage: what they show, and that nothing in a store breaks them."""

import re
import threading

import pytest

from qml import Cron, Every, Job, StateKind
from qml.storage import batches, servers
from qml.values.states import Failed, Succeeded
from qml.web import looks
from tests.web.asking import links, text
from tests.work.support import eventually

PAGES = ("/", "/queues", "/jobs", "/batches", "/schedules", "/servers", "/errors")

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&{{7*'q'}}${{7*'q'}}"

NAMES = (
    EVIL,
    "a/b",
    "..",
    "../..",
    "%2e%2F%00",
    "a?b=c&d#e",
    "öäü 你好 🚀",
    " ",
    "+",
    "x" * 300,
    "a\nb\tc",
)


def failing(storage, job, error="ValueError: no", trace="Traceback ...\nValueError: no"):
    storage.enqueue(job)
    [claimed] = storage.fetch_available_jobs_atomic("w", 1, queues=[job.queue])
    return storage.finish(claimed, Failed(exception=error, stack_trace=trace))


def filled(storage, name):
    """One of everything, by this name."""
    failed = failing(
        storage,
        Job(name, [name], {"k": name}, queue=name, metadata={name: name}),
        error=name,
        trace=name,
    )
    storage.enqueue(
        Job(
            name,
            queue=name,
            batch=name,
            concurrency_key=name,
            concurrency_limit=1,
            unique_key=name,
            job_type=name,
        )
    )
    storage.schedules.add(name, Cron("0 9 * * 1-5"), Job(name, [name], queue=name))
    servers.beat(
        storage,
        name,
        {
            "host": name,
            "queues": [name],
            "threads": 2,
            "running": 1,
            "late": [{"job": name, "method": name, "seconds": 3}],
        },
    )
    storage.queues.pause(name)
    return failed


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_is_shown_and_nothing_but_shown(client, storage, name):
    failed = filled(storage, name)
    for path in PAGES:
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "onerror=alert(2)>'" not in page
        assert "<img" not in page
        assert "qqqqqqq" not in page
    found = client.get("/job", id=failed.id)
    assert "<script>alert" not in found.text
    assert " ".join(name.split()) in text(found)
    assert failed.id in client.get("/jobs", queue=name, method=name, state="failed").text
    assert failed.id not in client.get("/jobs", queue=name, state="enqueued").text


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_links_and_forms_name_what_they_mean(client, storage, name):
    failed = filled(storage, name)
    [link] = [link for link in links(client.get("/queues")) if link.endswith("state=failed")]
    assert failed.id in client.http.get(link).text
    client.post("/queues/change", {"name": name, "verb": "resume"})
    assert not storage.queues.paused()
    client.post("/schedules/change", {"name": name, "verb": "pause"})
    assert storage.schedules.get(name).paused
    client.post("/servers/drain", {"name": name})
    assert servers.is_to_drain(storage, name)
    client.get("/batches", batch=name)


def test_empty_stores_have_pages(client):
    for path in PAGES:
        client.get(path)
        client.live(path)


def test_counts_are_told(client, storage):
    failing(storage, Job("a"))
    storage.enqueue_many([Job("b") for _ in range(3)])
    assert "enqueued 3" in text(client.get("/"))
    assert "failed 1" in text(client.get("/"))


def test_what_waits_the_longest_is_told(client, storage, clock):
    for queue, wait in (("mail", 600), ("images", 1_200), ("later", 60)):
        storage.enqueue(Job(f"for_{queue}", queue=queue, created_at=storage.now()))
        clock.advance(wait)
    storage.queues.pause("mail")
    assert "Waits the longest 31 min ago for_mail" in text(client.get("/"))
    page = text(client.get("/queues"))
    for told in ("31 min ago", "21 min ago", "1 min ago"):
        assert told in page


@pytest.mark.parametrize("page", ["/queues/change", "/schedules/change"])
def test_what_cannot_be_done_with_a_queue_or_schedule_is_said_and_not_done(small, page):
    small.jobs.queues.pause("mail")
    small.jobs.every(60, name="mail")(small.jobs.task(name="t")(print))
    small.jobs.server().tick()
    small.jobs.schedules.pause("mail")
    answer = small.post(page, {"name": "mail", "verb": "Pause"}, 400)
    assert "by the name of 'Pause'" in text(answer)
    assert [queue.paused_at is None for queue in small.jobs.queues.list()] == [False]
    assert [schedule.paused for schedule in small.jobs.schedules.list()] == [True]


def test_run_now_while_another_job_has_the_key_says_which(small):
    task = small.jobs.task(name="t", unique_key="k")(print)
    small.jobs.every(60, name="s")(task)
    small.jobs.server().tick()
    holder = task.enqueue()
    answer = small.post("/schedules/change", {"name": "s", "verb": "trigger"})
    assert f"is held by job {holder.id}" in small.said(answer)


def test_a_queue_is_paused_and_goes_on(client, storage):
    storage.enqueue(Job("m", queue="mail"))
    answer = client.post("/queues/change", {"name": "mail", "verb": "pause"})
    assert client.said(answer) == "Queue mail is paused; what runs goes on."
    assert storage.fetch_and_lock_job("w") is None
    assert "paused" in text(client.get("/queues"))
    assert "queue mail is paused" in text(client.get("/jobs"))
    answer = client.post("/queues/change", {"name": "mail", "verb": "resume"})
    assert client.said(answer) == "Queue mail goes on."
    assert storage.fetch_and_lock_job("w") is not None


def test_what_was_done_is_told_once(client, storage):
    answer = client.post("/queues/change", {"name": EVIL, "verb": "pause"})
    page = client.http.get(answer.headers["Location"])
    assert 'role="status"' in page.text
    assert "<script>alert" not in page.text
    assert '<p class="said' not in client.get("/queues").text


def test_a_damaged_record_is_listed(client, storage, clock):
    from qml.seam.codec import encode_job

    row = encode_job(Job("bad"), max_attempts=1, lease_until=None, max_bytes=1000)
    storage.driver.insert(
        [row._replace(payload="{not json", metadata="[", failures="?", detail="x")]
    )
    storage.enqueue(Job("good"))
    assert "damaged record" in text(client.get("/jobs"))
    assert "good" in text(client.get("/jobs"))
    assert "could not be read in full" in text(client.get("/job", id=row.id))
    client.get("/jobs", text="good", newer="1h")
    for path in PAGES:
        client.get(path)


def test_damaged_schedules_and_servers_are_listed(client, storage):
    storage.driver.write("schedule/broken", "{not json", 0)
    storage.driver.write("server/strange", '{"threads": [1], "late": 7, "queues": {"a": 1}}', 0)
    storage.driver.write("server/garbage", "{not json", 0)
    assert "schedule broken cannot be read" in text(client.get("/schedules"))
    page = text(client.get("/servers"))
    assert "strange" in page
    assert "garbage" in page


def test_a_job_that_is_not_there(client):
    assert "does not exist" in text(client.get("/job", 404, id="nothing"))
    client.get("/job", 404)
    client.get("/job", 404, id="a\0b")


def test_the_page_of_a_job(client, storage, clock):
    job = storage.enqueue(Job("send", ["ada", {"deep": [1, 2]}], {"subject": "hi"}, batch="b"))
    [claimed] = storage.fetch_available_jobs_atomic("worker-1", 1)
    storage.note(claimed, claimed.notes.with_progress(0.25, "a quarter", storage.now()))
    page = text(client.get("/job", id=job.id))
    for told in ("send", "ada", '"deep"', "subject", "25 %", "a quarter", "running", "worker-1"):
        assert told in page
    storage.finish(storage.get(job.id), Succeeded(result={"sent": True}))
    page = text(client.get("/job", id=job.id))
    assert '"sent": true' in page
    assert "succeeded" in page


def test_every_traceback_is_there(client, storage, clock):
    from qml.values.job import Failure
    from qml.values.states import AwaitingRetry

    job = storage.enqueue(Job("m", max_retries=3))
    for number in range(3):
        [claimed] = storage.fetch_available_jobs_atomic("w", 1)
        error, now = f"Error{number}: oh", storage.now()
        failure = Failure(claimed.attempt, now, "", error, f"trace number {number}")
        storage.finish(claimed, AwaitingRetry(now, now, number + 1, error), failure)
    page = text(client.get("/job", id=job.id))
    for number in range(3):
        assert f"Error{number}: oh" in page
        assert f"trace number {number}" in page


def test_what_a_job_waits_for_is_linked(client, storage):
    first = storage.enqueue(Job("first"))
    second = storage.enqueue(Job("second", after=[first.id]))
    third = storage.enqueue(Job("third", after_batch="b"))
    page = client.get("/job", id=second.id)
    assert any(first.id in link for link in links(page))
    assert "1 left of what it comes after" in text(page)
    assert any("batch=b" in link for link in links(client.get("/job", id=third.id)))


@pytest.mark.parametrize("verb", ["retry", "cancel"])
def test_a_job_is_retried_or_cancelled(client, storage, verb):
    job = failing(storage, Job("m")) if verb == "retry" else storage.enqueue(Job("m"))
    answer = client.post("/job/change", {"id": job.id, "verb": verb})
    wanted = {"retry": StateKind.ENQUEUED, "cancel": StateKind.DELETED}
    assert storage.get(job.id).state.kind == wanted[verb]
    assert client.said(answer).startswith("The job was")


def test_what_cannot_be_done_is_said(client, storage):
    job = storage.enqueue(Job("m"))
    storage.finish(storage.fetch_and_lock_job("w"), Succeeded(result=1))
    answer = client.post("/job/change", {"id": job.id, "verb": "cancel"})
    assert "has succeeded" in client.said(answer)
    assert storage.get(job.id).state.result == 1
    client.post("/job/change", {"id": job.id, "verb": "explode"}, 400)
    answer = client.post("/job/change", {"id": "nothing", "verb": "retry"})
    client.http.get(answer.headers["Location"])


def test_a_schedule(client, storage, clock):
    storage.schedules.add("s", Every(60), Job("m"))
    page = text(client.get("/schedules"))
    assert "every 60 s" in page
    assert page.count(f"{storage.now():%Y-%m-%d}") >= 4, "several slots to come"
    answer = client.post("/schedules/change", {"name": "s", "verb": "trigger"})
    assert [job.method for job in storage.list()] == ["m"]
    assert storage.list()[0].id in answer.headers["Location"]
    client.post("/schedules/change", {"name": "s", "verb": "pause"})
    assert "paused" in text(client.get("/schedules"))
    client.post("/schedules/change", {"name": "s", "verb": "resume"})
    answer = client.post("/schedules/change", {"name": "none", "verb": "pause"})
    assert "no schedule" in client.said(answer)


def test_a_server_drains(client, storage, clock):
    servers.beat(storage, "s1", {"host": "h", "threads": 4, "running": 0, "draining": False})
    assert "0 of 4" in text(client.get("/servers"))
    client.post("/servers/drain", {"name": "s1"})
    assert servers.is_to_drain(storage, "s1")
    assert "no server" in client.said(client.post("/servers/drain", {"name": "other"}))


def test_a_silent_server_is_told(client, storage, clock):
    servers.beat(storage, "s1", {"host": "h", "threads": 4, "running": 0})
    clock.advance(40)
    assert "silent" in text(client.get("/servers"))


def test_what_runs_on_a_server_is_listed(client, storage):
    servers.beat(storage, "s1", {"host": "h", "threads": 4, "running": 1})
    job = storage.enqueue(Job("m"))
    storage.fetch_and_lock_job("s1")
    assert job.id in client.get("/servers").text


def test_the_progress_of_a_batch(client, storage):
    storage.enqueue_many([Job("m", batch="sizes") for _ in range(4)])
    storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
    page = client.get("/batches")
    assert 'value="0.25"' in page.text
    assert "sizes" in text(page)
    assert "no such batch" in text(client.get("/batches", batch="other"))


def rows_of_batches(client, **asked):
    page = client.get("/batches", **asked)
    return re.findall(r'<th scope="row".*?>([^<]+)</a>', page.text), page


def test_all_batches_are_listed_page_by_page(client, storage):
    stored = [f"b{n:03}" for n in range(70)]
    storage.enqueue_many([Job("m", batch=name) for name in reversed(stored)])
    storage.enqueue_many([Job("m") for _ in range(500)])
    storage.enqueue(Job("m", batch="b042"))
    names, page = rows_of_batches(client)
    assert names == ["b042", *stored[:30]]  # of the newest jobs, then by name
    seen = set(names)
    for last in (False, True):
        [following] = [link for link in links(page) if "from=" in link]
        names, page = rows_of_batches(client, **{"from": following.partition("from=")[2]})
        assert len(names) == (10 if last else 30)
        seen |= {*names}
    assert seen == {*stored}
    assert not [link for link in links(page) if "from=" in link]
    assert rows_of_batches(client, **{"from": "b05"})[0][:2] == ["b050", "b051"]
    assert "No batch from this name on" in text(client.get("/batches", **{"from": "c"}))


def test_large_batches_are_listed_before_they_are_counted(small, monkeypatch):
    small.jobs.storage.enqueue(Job("m", batch="large"))
    counted = threading.Event()

    def count(driver, name, progress=batches.progress):
        assert counted.wait(60)
        return progress(driver, name)

    monkeypatch.setattr(batches, "progress", count)
    monkeypatch.setattr(looks, "SOON", 0.05)
    assert "large being counted" in text(small.get("/batches"))
    counted.set()
    assert eventually(lambda: "being counted" not in small.get("/batches").text)


STRANGE = (
    '{"seen_at": "x"}',
    '{"seen_at": null}',
    '{"seen_at": []}',
    '{"seen_at": 1e300}',
    '{"seen_at": %s}' % ("9" * 400),
    '{"seen_at": NOW, "late": [{"job": "", "seconds": 1e400}, 1]}',
    '{"seen_at": NOW, "queues": [{}, [1]], "reserved": {"a": 1}}',
)


@pytest.mark.parametrize("body", STRANGE)
def test_what_a_server_says_may_be_strange(small, body):
    storage = small.jobs.storage
    body = body.replace("NOW", str(storage.clock.micros()))
    storage.driver.write("server/strange", body, 0)
    for path in PAGES:
        small.get(path)
    assert "strange" in text(small.get("/servers"))
    servers.beat(storage, "sound", {})
    assert "sound" in [server["name"] for server in servers.alive(storage)]

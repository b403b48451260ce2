"""Bulk changes: what was picked or all that match, after a count and a question."""

import re

import pytest

from qml import Job, StateKind
from qml.values.states import Failed
from qml.web import acting
from tests.web.asking import text


def fields(page):
    """The hidden fields of the question's form, and the token."""
    form = re.search(r'<form[^>]*class="answer".*?</form>', page.text, re.DOTALL)[0]
    found = re.findall(r'name="([^"]+)" value="([^"]*)"', form)
    given = {}
    for name, value in found:
        given.setdefault(name, []).append(value)
    return given


def answer(client, page, status=303):
    given = fields(page)
    return client.post("/jobs/change", given, status, token=given.pop("_form")[0])


def fail(storage, count, **parts):
    jobs = storage.enqueue_many([Job("m", max_retries=0, **parts) for _ in range(count)])
    for job in storage.fetch_available_jobs_atomic("w", count):
        storage.finish(job, Failed(exception="ValueError: no"))
    return jobs


def states(storage, jobs):
    return {found and found.state.kind for found in storage.get_many([job.id for job in jobs])}


def test_all_that_match_are_retried(client, storage):
    meant, others = fail(storage, 3, queue="a"), fail(storage, 2, queue="b")
    page = client.get("/jobs/confirm", verb="retry", queue="a")
    assert "3 jobs" in text(page)
    assert states(storage, meant) == {StateKind.FAILED}, "nothing is done before the answer"
    assert client.said(answer(client, page)) == "3 jobs were enqueued again."
    assert states(storage, meant) == {StateKind.ENQUEUED}
    assert states(storage, others) == {StateKind.FAILED}


def test_all_that_match_a_text_are_cancelled(client, storage):
    meant = storage.enqueue_many([Job("m", ["Ada", n]) for n in range(3)])
    others = storage.enqueue_many([Job("m", ["Bob", n]) for n in range(3)])
    answer(client, client.get("/jobs/confirm", verb="cancel", text="ada"))
    assert states(storage, meant) == {StateKind.DELETED}
    assert states(storage, others) == {StateKind.ENQUEUED}


def test_who_posts_no_states_means_those_of_the_question(small):
    [failed] = fail(small.jobs.storage, 1)
    waiting = small.jobs.storage.enqueue(Job("m"))
    after = fields(small.get("/jobs/confirm", verb="cancel"))["after"]
    given = {"verb": "cancel", "after": after}
    assert small.said(small.post("/jobs/change", given)) == "1 job was cancelled."
    assert states(small.jobs.storage, [failed]) == {StateKind.FAILED}
    assert states(small.jobs.storage, [waiting]) == {StateKind.DELETED}


def test_a_picked_id_with_a_space_in_it_is_one_job(small):
    storage = small.jobs.storage
    storage.enqueue_many([Job("m", id=one) for one in ("a", "b", "a b")])
    page = small.post("/jobs/selected", {"pick": "a b", "verb": "delete"}, 200)
    assert small.said(answer(small, page)) == "1 job was deleted."
    assert [storage.get(one) is None for one in ("a", "b", "a b")] == [False, False, True]
    assert "2 jobs" in text(small.get("/jobs/confirm", verb="delete", id="a  b c"))


def test_what_was_picked_is_deleted(client, storage):
    jobs = storage.enqueue_many([Job("m") for _ in range(5)])
    picked = [jobs[1].id, jobs[3].id]
    page = client.post("/jobs/selected", {"pick": picked, "verb": "delete"}, 200)
    assert "2 jobs" in text(page)
    assert None not in storage.get_many(picked)
    assert client.said(answer(client, page)) == "2 jobs were deleted."
    assert {job.id for job in storage.list()} == {job.id for job in jobs} - set(picked)


def test_nothing_picked_is_said(small):
    assert "no job was picked" in text(small.post("/jobs/selected", {"verb": "retry"}, 400))


def test_of_too_many_ids_none_is_left_out_unsaid(small):
    ids = [f"id-{number}" for number in range(201)]
    told = "id names 201 jobs; give 200 at most"
    assert told in text(small.post("/jobs/selected", {"verb": "delete", "pick": ids}, 400))
    for path in ("/jobs", "/jobs/confirm"):
        assert told in text(small.get(path, 400, verb="delete", id=" ".join(ids)))
    small.get("/jobs", id=" ".join(ids[1:]))


def test_what_comes_after_the_count_is_left_alone(client, storage):
    fail(storage, 2)
    page = client.get("/jobs/confirm", verb="retry")
    later = fail(storage, 2)
    assert client.said(answer(client, page)) == "2 jobs were enqueued again."
    assert states(storage, later) == {StateKind.FAILED}


def test_retry_without_states_means_what_failed(client, storage):
    failed, waiting = fail(storage, 2), storage.enqueue(Job("m"))
    answer(client, client.get("/jobs/confirm", verb="retry"))
    assert states(storage, failed) == {StateKind.ENQUEUED}
    assert storage.get(waiting.id) == waiting


def test_refusals_are_told_and_stop_nobody(client, storage):
    jobs = fail(storage, 2)
    storage.cancel(jobs[0].id)
    picked = [job.id for job in jobs]
    page = client.post("/jobs/selected", {"pick": picked, "verb": "retry"}, 200)
    told = client.said(answer(client, page))
    assert "1 job was enqueued again. 1 refused" in told
    assert storage.get(jobs[1].id).state.kind == StateKind.ENQUEUED


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete"])
def test_what_takes_long_goes_on_in_steps(client, storage, verb, monkeypatch):
    monkeypatch.setattr(acting, "PATIENCE", 0.0)
    monkeypatch.setattr(acting, "AT_ONCE", 4)
    if verb == "retry":
        fail(storage, 10)
    else:
        storage.enqueue_many([Job("m") for _ in range(10)])
    page = client.get("/jobs/confirm", verb=verb)
    for so_far in (4, 8):
        page = answer(client, page, 200)
        assert f"{so_far} jobs" in text(page)
    assert client.said(answer(client, page)).startswith("10 jobs were")
    left = storage.get_job_counts()
    assert left[{"retry": "failed", "cancel": "enqueued", "delete": "enqueued"}[verb]] == 0
    assert sum(left.values()) == (0 if verb == "delete" else 10)


def test_those_who_asked_are_told(small):
    """A dashboard within an app tells the app's hooks."""
    told = []
    small.jobs.on("cancelled")(lambda event: told.append(event.job.method))
    small.jobs.storage.enqueue_many([Job("a"), Job("b")])
    answer(small, small.get("/jobs/confirm", verb="cancel"))
    assert sorted(told) == ["a", "b"]


@pytest.mark.parametrize("verb", ["", "purge", "__class__"])
def test_no_other_verbs(small, verb):
    small.get("/jobs/confirm", 400, verb=verb)
    small.post("/jobs/change", {"verb": verb, "after": "0"}, 400)


def test_ids_and_other_filters_mean_what_was_counted(client, storage):
    """Not what is named by id and was left out of the count."""
    meant, other = storage.enqueue_many([Job("m", ["ada"]), Job("m", ["bob"])])
    page = client.get("/jobs/confirm", verb="delete", id=f"{meant.id} {other.id}", text="ada")
    assert "1 job" in text(page)
    assert client.said(answer(client, page)) == "1 job was deleted."
    assert storage.get(other.id) is not None

"""Which jobs a page shows: filters combine, pages go on where the one before ended."""

import re
from itertools import chain

import pytest

from qml import Job
from qml.values.states import Failed, Succeeded
from qml.web import walking
from tests.web.asking import links, text


def ids(page):
    return re.findall(r'name="pick" value="([^"]+)"', page.text)


@pytest.fixture
def stored(storage, clock):
    """Jobs by a short name."""
    made = {}

    def put(name, job, end=None):
        made[name] = storage.enqueue(job).id
        if end is not None:
            [claimed] = storage.fetch_available_jobs_atomic("w", 1, queues=[job.queue])
            storage.finish(claimed, end)

    def old(method, **parts):
        at = storage.now()
        return Job(method, created_at=at, **parts)

    put("a", old("mail.send", queue="mail", arguments=["Ada"]), Failed(exception="E: x"))
    put("b", old("mail.send", queue="mail", arguments=["Bob"], batch="b1"))
    clock.advance(3600)
    put("c", old("img.cut", queue="img", kwargs={"who": "ada", "n": 4711}), Succeeded())
    put("d", old("img.cut", queue="img", batch="b1"), Failed(exception="E: y"))
    put("e", old("img.cut", queue="mail", arguments=[["x", {"deep": "ADA"}]]))
    return made


ASKED = {
    "all": ({}, "edcba"),
    "a state": ({"state": "failed"}, "da"),
    "states": ({"state": ["failed", "succeeded"]}, "dca"),
    "a queue": ({"queue": "mail"}, "eba"),
    "a method": ({"method": "img.cut"}, "edc"),
    "a batch": ({"batch": "b1"}, "db"),
    "a text, in whatever case": ({"text": "ada"}, "eca"),
    "a number": ({"text": "4711"}, "c"),
    "a name within": ({"text": "deep"}, "e"),
    "older": ({"older": "30m"}, "ba"),
    "newer": ({"newer": "30m"}, "edc"),
    "newer, all": ({"newer": "2h"}, "edcba"),
    "between": ({"newer": "2h", "older": "1m"}, "ba"),
    "a queue and a state": ({"queue": "mail", "state": "enqueued"}, "eb"),
    "a queue, a text and an age": ({"queue": "mail", "text": "ada", "older": "30m"}, "a"),
    "a batch and a state": ({"batch": "b1", "state": "failed"}, "d"),
    "none": ({"queue": "none"}, ""),
    "a text that is nowhere": ({"text": "nowhere"}, ""),
    "no text of JSON": ({"text": '["'}, ""),
}


@pytest.mark.parametrize("asked", ASKED)
def test_filters_combine(client, stored, asked):
    given, wanted = ASKED[asked]
    found = ids(client.get("/jobs", **given))
    assert found == [stored[name] for name in wanted]
    question = text(client.get("/jobs/confirm", verb="delete", **given))
    assert f"{len(wanted)} job" in question


def test_ids(client, stored):
    page = client.get("/jobs", id=f"{stored['c']} nothing {stored['a']} {stored['c']}")
    assert ids(page) == [stored["c"], stored["a"]]
    assert ids(client.get("/jobs", id=stored["c"], queue="mail")) == []


@pytest.mark.parametrize(
    "asked",
    [
        {"older": "soon"},
        {"newer": "-1"},
        {"state": "lost"},
        {"older": "9" * 400},
        {"queue": "a\0b"},
    ],
)
def test_what_cannot_be_asked_is_said(small, asked):
    assert "This cannot be asked" in text(small.get("/jobs", 400, **asked))


SENSELESS = [{"after": "x"}, {"limit": "10000"}, {"after": "9" * 50}, {"limit": "9" * 5_000}]


@pytest.mark.parametrize("asked", SENSELESS)
def test_what_makes_no_sense_is_left_out(small, asked):
    job = small.jobs.storage.enqueue(Job("m"))
    assert ids(small.get("/jobs", **asked)) == [job.id]


def walk(client, **asked):
    """All pages that follow one another."""
    page, found = client.get("/jobs", **asked), []
    while True:
        found.append(ids(page))
        following = [link for link in links(page) if "after=" in link]
        if not following:
            return found
        page = client.http.get(following[0])


@pytest.mark.parametrize("asked", [{}, {"text": "x"}, {"queue": "q"}])
def test_pages_go_on_where_the_one_before_ended(client, storage, asked):
    made = storage.enqueue_many([Job("m", ["x"], queue="q") for _ in range(45)])
    pages = walk(client, limit=20, **asked)
    assert [len(page) for page in pages] == [20, 20, 5]
    assert [*chain(*pages)] == [job.id for job in reversed(made)]


def test_a_page_that_is_just_full_has_none_after_it(client, storage):
    storage.enqueue_many([Job("m") for _ in range(20)])
    assert [len(page) for page in walk(client, limit=20)] == [20]


def test_what_is_enqueued_meanwhile_moves_nothing(client, storage):
    made = storage.enqueue_many([Job("m") for _ in range(40)])
    page = client.get("/jobs", limit=20)
    storage.enqueue_many([Job("m") for _ in range(7)])
    [link] = [link for link in links(page) if "after=" in link]
    assert ids(client.http.get(link)) == [job.id for job in reversed(made[:20])]


def test_looking_for_what_is_rare_has_an_end_and_goes_on(client, storage, monkeypatch):
    monkeypatch.setattr(walking, "PATIENCE", 0.0)
    monkeypatch.setattr(walking, "AT_ONCE", 10)
    rare = storage.enqueue(Job("m", ["rare"]))
    storage.enqueue_many([Job("m", ["common"]) for _ in range(25)])
    page = client.get("/jobs", text="rare")
    assert ids(page) == []
    assert "among the 10 that were looked at" in text(page)
    assert "Go on looking" in text(page)
    assert [*chain(*walk(client, text="rare"))] == [rare.id]
    question = text(client.get("/jobs/confirm", verb="delete", text="rare"))
    assert "At least 0 jobs" in question


def test_the_address_says_it_all(client, stored):
    """Each chip adds a state or takes it away, and leaves the rest."""
    page = client.get("/jobs", queue="mail", state="failed", text="ada")
    [link] = [link for link in links(page) if "state=enqueued" in link and "state=failed" in link]
    assert ids(client.http.get(link)) == [stored["e"], stored["a"]]
    assert 'name="text" value="ada"' in page.text
    assert 'name="queue" value="mail"' in page.text


def test_jobs_of_one_error(client, storage):
    """From a group of errors to its jobs, and to what can be done with all of them."""
    for number, error in enumerate(
        ["ValueError: bad id 1", "KeyError: 'x'", "ValueError: bad id 7"]
    ):
        job = storage.enqueue(Job("m", [number], max_retries=0))
        [claimed] = storage.fetch_available_jobs_atomic("w", 1)
        storage.finish(claimed, Failed(exception=error))
        assert storage.get(job.id).state.exception == error
    groups = client.get("/errors")
    assert "ValueError" in text(groups)
    [link, *_] = [link for link in links(groups) if "error=ValueError" in link]
    page = client.http.get(link)
    assert len(ids(page)) == 2
    [retry] = [link for link in links(page) if "verb=retry" in link]
    assert "2 jobs" in text(client.http.get(retry))


def test_an_error_is_named_as_it_is_shown(client, storage):
    """So that its name cannot be used to guess what is hidden."""
    job = storage.enqueue(Job("m", [], {"password": "swordfish"}, max_retries=0))
    [claimed] = storage.fetch_available_jobs_atomic("w", 1)
    storage.finish(claimed, Failed(exception="AuthError: swordfish was refused"))
    assert "swordfish" not in client.get("/errors").text
    assert ids(client.get("/jobs", error="AuthError: swordfish was refused")) == []
    assert ids(client.get("/jobs", error="AuthError: [redacted] was refused")) == [job.id]

"""What is hidden is nowhere to be seen, and cannot be found out by searching either."""

import json
import re
import time

import pytest

from qml import Job, Qml
from qml.values.job import Failure
from qml.values.notes import NO_NOTES, LogLine
from qml.values.states import AwaitingRetry, Failed, Succeeded
from qml.web import REDACTED
from qml.web.redaction import MARK, Redaction
from tests.web.asking import text

SECRET = "hunter2-9f8e7d"

CALLS = {
    "an argument by name": Job("m", [], {"password": SECRET}),
    "whatever its case": Job("m", [], {"PassWord": SECRET}),
    "within a name": Job("m", [], {"db_password_old": SECRET}),
    "an API key": Job("m", [], {"apiKey": SECRET}),
    "an API key with a mark": Job("m", [], {"X-API-Key": SECRET}),
    "a token in a list in an object": Job("m", [{"auth": [{"access_token": SECRET}]}]),
    "a whole object": Job("m", [], {"credentials": {"user": SECRET, "deep": [[SECRET]]}}),
    "a header": Job("m", [{"Authorization": f"Bearer {SECRET}"}]),
    "metadata": Job("m", metadata={"secret": SECRET}),
    "nested metadata": Job("m", metadata={"http": {"cookie": SECRET}}),
    "a login in a URL": Job("m", [f"https://ada:{SECRET}@example.com/x"]),
    "a text that names it": Job("m", [f"curl -H 'Authorization: Bearer {SECRET}'"]),
    "JSON in a text": Job("m", [f'{{"password": "{SECRET}", "n": 1}}']),
    "the same beside it": Job("m", ["also " + SECRET], {"password": SECRET}),
    "a name made of it": Job("m", [{SECRET: 1}], {"password": SECRET}),
    "the key of it": Job("m", [], {"password": SECRET}, unique_key=f"user:{SECRET}"),
    "the type of it": Job("m", [], {"password": SECRET}, job_type=f"t {SECRET}"),
    "its limit": Job(
        "m", [], {"token": SECRET}, concurrency_key=f"c:{SECRET}", concurrency_limit=1
    ),
}


def everywhere(client, job):
    yield client.get("/jobs").text
    yield client.get("/jobs", text="m").text
    yield client.get("/job", id=job.id).text
    yield client.live("/job", id=job.id).text
    yield client.get("/").text
    yield client.get("/errors").text
    yield client.get("/servers").text
    yield client.get("/jobs/confirm", verb="delete").text


@pytest.mark.parametrize("case", CALLS)
def test_it_is_not_shown(small, case):
    job = small.jobs.storage.enqueue(CALLS[case])
    for page in everywhere(small, job):
        assert SECRET not in page
    assert MARK in small.get("/job", id=job.id).text


@pytest.mark.parametrize("case", CALLS)
def test_it_cannot_be_found_by_searching(small, case):
    """Neither by a list, nor a count, nor by what a bulk change would touch."""
    storage = small.jobs.storage
    storage.enqueue(CALLS[case])
    for part in (SECRET, SECRET[:3], SECRET[-4:], SECRET.upper()):
        page = small.get("/jobs", text=part)
        assert "No job matches" in page.text
        assert "0 jobs" in text(small.get("/jobs/confirm", verb="delete", text=part))
        fields = {"verb": "delete", "text": part, "after": str(10**9)}
        assert small.said(small.post("/jobs/change", fields)) == "0 jobs were deleted."
    assert len(storage.list()) == 1


def test_what_is_not_hidden_is_found(small):
    small.jobs.storage.enqueue(Job("m", ["ada"], {"password": SECRET}))
    assert "No job matches" not in small.get("/jobs", text="ada").text


def test_positional_arguments_have_the_names_of_the_task(memory_app, mount):
    @memory_app.task
    def invite(email, password, *more):
        """Nothing."""

    job = invite.enqueue("ada@example.com", SECRET, "x", "y")
    client = mount(memory_app)
    for page in everywhere(client, job):
        assert SECRET not in page
    page = text(client.get("/job", id=job.id))
    assert "ada@example.com" in page
    assert re.search(r"password \[redacted\]", page)
    assert "No job matches" in client.get("/jobs", text=SECRET).text


def test_runs_that_tell_it_are_hidden_too(small):
    storage = small.jobs.storage
    job = storage.enqueue(Job("m", [7], {"password": SECRET, "pin": 123456}, max_retries=3))
    [claimed] = storage.fetch_available_jobs_atomic("w", 1)
    notes = NO_NOTES.with_progress(0.5, f"as {SECRET}", storage.now())
    notes = notes.with_lines([LogLine(storage.now(), 1, f"sent {SECRET}")])
    storage.note(claimed, notes)
    error, now = f"AuthError: {SECRET} was refused", storage.now()
    failure = Failure(1, now, "", error, f"  login('ada', '{SECRET}')\n  password='other-{SECRET}'")
    storage.finish(claimed, AwaitingRetry(now, now, 1, error), failure)
    for page in everywhere(small, job):
        assert SECRET not in page
    [claimed] = storage.fetch_available_jobs_atomic("w", 1)
    storage.finish(claimed, Failed(exception=error, stack_trace=f"token: {SECRET}x"))
    for page in everywhere(small, job):
        assert SECRET not in page


def test_results_and_steps_are_hidden_too(small):
    import attrs

    storage = small.jobs.storage
    job = storage.enqueue(Job("m"))
    [claimed] = storage.fetch_available_jobs_atomic("w", 1)
    storage.note(claimed, attrs.evolve(NO_NOTES, steps={"login": {"access_token": SECRET}}))
    storage.finish(storage.get(job.id), Succeeded(result={"session_id": SECRET, "n": [SECRET]}))
    for page in everywhere(small, job):
        assert SECRET not in page


def test_schedules_too(small):
    from qml import Every

    small.jobs.storage.schedules.add("s", Every(60), Job("m", [], {"password": SECRET}))
    assert SECRET not in small.get("/schedules").text


def test_other_patterns(memory_app, mount):
    client = mount(memory_app, redact=(*REDACTED, "iban", r"^\d+$"))
    job = memory_app.storage.enqueue(
        Job("m", [SECRET], {"iban": "DE00 1234", "password": "pw-1234"})
    )
    page = client.get("/job", id=job.id).text
    for hidden in (SECRET, "DE00", "pw-1234"):
        assert hidden not in page
    shown = mount(memory_app, redact=()).get("/job", id=job.id).text
    for hidden in (SECRET, "DE00", "pw-1234"):
        assert hidden in shown


@pytest.mark.parametrize(
    "harmless",
    ["a: b", "x=1", "https://example.com/a:b@c", "at 10:30: done", "ratio = 3", "bearer of news"],
)
def test_other_texts_stay_as_they_are(harmless):
    assert Redaction(REDACTED).text(harmless) == harmless


@pytest.mark.parametrize(
    "told",
    [
        "ValueError: token=$ is bad",
        "401 for https://h/?api_key=$&x=2",
        "x: password: $",
        "{'tokens': ['a', '$']}",
        "{'secret': {'a': 'b)', 'c': '$'}}",
        "token=Secret(value='a $')",
        "password='''a $'''",
        "b'password': b'a $'",
        'password="""a $"""',
        r"{\"password\": \"a $\"}",
        "cfg['password'] = '$'",
        "password: str = '$'",
        "psql --password $ x",
        "['--password', '$']",
        "Cookie: a=b; sid=$",
        "http://u:a@$@h/db",
    ],
)
def test_a_text_that_names_it_in_whatever_way(told):
    shown = Redaction(REDACTED).text(told.replace("$", "S3CR3T"))
    assert "S3CR3T" not in shown
    assert MARK in shown


def test_what_is_hidden_twice_is_marked_once(small):
    job = small.jobs.storage.enqueue(
        Job("m", [f"password={SECRET} and more"], {"password": SECRET})
    )
    assert "password=[redacted] and more" in small.get("/job", id=job.id).text


def test_deep_and_large_values_are_shown_in_part(small):
    deep = []
    for _ in range(400):
        deep = [deep]
    job = small.jobs.storage.enqueue(Job("m", [deep, "x" * 500_000]))
    page = small.get("/job", id=job.id)
    assert "nested too deeply" in page.text
    assert len(page.data) < 100_000
    small.get("/jobs", text="x")


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000,
        "a=" * 150_000,
        "token=(" * 40_000,
        "://" * 100_000,
        "'" * 300_000,
        "Bearer " * 40_000,
        "p.-" * 100_000,
    ],
)
def test_no_text_takes_long(text):
    begun = time.process_time()
    Redaction(REDACTED).text(text)
    assert time.process_time() - begun < 2


def test_an_app_is_not_needed(storage, mount):
    job = storage.enqueue(Job("m", [1], {"password": SECRET}))
    assert SECRET not in mount(storage).get("/job", id=job.id).text
    assert SECRET not in mount(Qml(storage)).get("/job", id=job.id).text


@pytest.fixture
def two_of_one_key(small):
    """Jobs whose keys are made of what is hidden; only one can run."""
    call = {"password": SECRET}
    limits = {"concurrency_key": f"c:{SECRET}", "concurrency_limit": 1}
    enqueued = [small.jobs.storage.enqueue(Job("m", [], call, **limits)) for _ in range(2)]
    small.jobs.storage.fetch_available_jobs_atomic("w", 1)
    return enqueued


def test_what_keeps_a_job_back_does_not_tell_it(small, two_of_one_key):
    pages = [page for job in two_of_one_key for page in everywhere(small, job)]
    assert any(f"concurrency key c:{MARK}" in page for page in pages)
    assert not [page for page in pages if SECRET in page]


@pytest.mark.parametrize("path", ["/job/change", "/jobs/change"])
def test_nor_does_what_is_said_of_a_refusal(small, path):
    storage = small.jobs.storage
    call = {"kwargs": {"password": SECRET}, "unique_key": f"u:{SECRET}"}
    job = storage.enqueue(Job("m", **call, max_retries=0))
    [claimed] = storage.fetch_available_jobs_atomic("w", 1)
    storage.finish(claimed, Failed(exception="E: x"))
    storage.enqueue(Job("m", **call))
    said = small.said(small.post(path, {"id": job.id, "verb": "retry"}))
    assert f"u:{MARK}" in said
    assert SECRET not in said


@pytest.mark.parametrize("secret", ["hunter2\nsecond", "hunter2'\"x", "hunter2\\x", "hunter2é"])
def test_it_is_hidden_as_python_and_json_write_it(small, secret):
    storage = small.jobs.storage
    others = [repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)]
    job = storage.enqueue(Job("m", others, {"password": secret}))
    [claimed] = storage.fetch_available_jobs_atomic("w", 1)
    storage.finish(claimed, Failed(exception=f"E: {secret!r}", stack_trace="\n".join(others)))
    for page in everywhere(small, job):
        assert "hunter2" not in page


def test_a_number_is_hidden_where_it_is_a_number_too(small):
    job = small.jobs.storage.enqueue(Job("m", [[271828]], {"password": 271828, "n": 27182}))
    for page in everywhere(small, job):
        assert "271828" not in page
    assert "27182" in small.get("/job", id=job.id).text


def test_an_error_whose_job_is_gone_meanwhile_tells_no_message(small, monkeypatch):
    storage = small.jobs.storage
    storage.enqueue(Job("m", [], {"password": SECRET}))
    [claimed] = storage.fetch_available_jobs_atomic("w", 1)
    storage.finish(claimed, Failed(exception="AuthError: hunter refused"))
    monkeypatch.setattr(type(storage), "get_many", lambda _, ids: [None for _ in ids])
    page = small.get("/errors").text
    assert "AuthError" in page
    assert "hunter" not in page


def test_very_many_hidden_texts_take_no_page_long(small):
    hidden = [f"s{number:07}" for number in range(30_000)]
    job = Job("m", ["y" * 1_000] * 400, {"credentials": hidden})
    job = small.jobs.storage.enqueue(job)
    begun = time.process_time()
    page = small.get("/job", id=job.id).text
    assert time.process_time() - begun < 5
    assert MARK in page
    assert not [one for one in hidden if one in page]

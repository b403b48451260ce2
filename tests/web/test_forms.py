"""What is posted comes from a page of this dashboard, or nothing is changed."""

import hashlib
import hmac
import re
import time

import pytest
from flask import Flask

from qml import Job
from qml.web import dashboard
from qml.web.gate import Tokened
from qml.web.mounting import CHANGING
from tests.web.asking import BROWSER, Client, text

TOKEN = "correct horse battery staple"

PAUSE = {"name": "mail", "verb": "pause"}

FOREIGN = {
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "another subdomain": {"Sec-Fetch-Site": "same-site"},
    "no site": {"Sec-Fetch-Site": "none"},
    "an origin elsewhere": {"Origin": "https://evil.example"},
    "an opaque origin": {"Origin": "null"},
    "what is no origin": {"Origin": "http://[evil"},
    "an origin that looks alike": {"Origin": "http://localhost.evil.example"},
    "another port": {"Origin": "http://localhost:81"},
    "a lying origin beside the browser's own word": {
        "Sec-Fetch-Site": "cross-site",
        "Origin": "http://localhost",
    },
    "nothing that tells": {},
}


def paused(client):
    return list(client.jobs.storage.queues.paused())


@pytest.mark.parametrize("way", FOREIGN)
def test_forms_of_other_sites_are_refused(small, way):
    token = small.token()
    answer = small.post("/queues/change", PAUSE, 403, headers=FOREIGN[way], token=token)
    assert "Nothing was changed" in text(answer)
    assert paused(small) == []


@pytest.mark.parametrize("headers", [BROWSER, {"Origin": "http://localhost"}])
def test_forms_of_a_page_are_carried_out(small, headers):
    small.post("/queues/change", PAUSE, headers=headers)
    assert paused(small) == ["mail"]


@pytest.mark.parametrize("token", ["", "x", "0" * 64, "\u2603"])
@pytest.mark.parametrize("path", [rule for rule, _ in CHANGING.values()])
def test_a_form_without_its_token_is_refused(small, token, path):
    small.token()
    small.post(path, PAUSE, 403, token=token)
    assert paused(small) == []


def test_the_token_is_worth_nothing_without_its_cookie(small):
    token = small.token()
    small.http.delete_cookie("qml_form", path="/qml")
    assert "cookie" in text(small.post("/queues/change", PAUSE, 403, token=token))
    small.http.set_cookie("qml_form", "another", path="/qml")
    small.post("/queues/change", PAUSE, 403, token=token)
    assert paused(small) == []


def test_the_cookie_is_for_this_dashboard_alone(small):
    [cookie] = small.get("/").headers.getlist("Set-Cookie")
    assert cookie.startswith("qml_form=")
    assert {"HttpOnly", "Path=/qml", "SameSite=Strict"} <= set(cookie.split("; "))
    assert small.get("/").headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize("secret", [None, "text", b"bytes"])
def test_it_works_whatever_secret_the_app_has(memory_app, secret):
    app = Flask("tests")
    app.secret_key = secret
    app.register_blueprint(dashboard(memory_app), url_prefix="/qml")
    Client(app).post("/queues/change", PAUSE)
    assert list(memory_app.storage.queues.paused()) == ["mail"]


def test_reading_only_changes_nothing(memory_app, mount):
    client = mount(memory_app, read_only=True)
    job = memory_app.storage.enqueue(Job("m"))
    forms = {
        "/queues/change": PAUSE,
        "/job/change": {"id": job.id, "verb": "cancel"},
        "/jobs/selected": {"pick": job.id, "verb": "delete"},
        "/jobs/change": {"verb": "delete", "id": job.id, "after": "0"},
        "/schedules/change": {"name": "x", "verb": "pause"},
        "/servers/drain": {"name": "x"},
    }
    assert set(forms) | {"/sign-in", "/sign-out"} == {rule for rule, _ in CHANGING.values()}
    writable = mount(memory_app)
    for path in ("/", "/queues", "/jobs", "/schedules", "/servers"):
        assert "<button>" not in client.get(path).text
    token = writable.token()
    cookie = writable.http.get_cookie("qml_form", path="/qml").value
    client.http.set_cookie("qml_form", cookie, path="/qml")
    for path, fields in forms.items():
        assert "read-only" in text(client.post(path, fields, 403, token=token))
    assert memory_app.storage.get(job.id) == job
    assert not memory_app.storage.queues.paused()


@pytest.mark.parametrize("method", ["put", "patch", "delete", "get", "head", "options"])
@pytest.mark.parametrize("path", [rule for rule, _ in CHANGING.values()])
def test_other_methods_change_nothing(small, method, path):
    job = small.jobs.storage.enqueue(Job("m"))
    small.token()
    query = {**PAUSE, "id": job.id, "pick": job.id}
    answer = getattr(small.http, method)(small.prefix + path, query_string=query, headers=BROWSER)
    assert answer.status_code in (200, 403, 404, 405)
    assert paused(small) == []
    assert small.jobs.storage.get(job.id) == job


def test_looking_changes_nothing(small):
    storage = small.jobs.storage
    for number in range(5):
        storage.enqueue(Job("m", [number], batch="b"))
    storage.queues.pause("default")
    [job] = storage.list(limit=1)
    before = storage.list(), storage.queues.list(), storage.schedules.list()
    for path in ("/", "/queues", "/jobs", "/batches", "/schedules", "/servers", "/errors"):
        small.get(path)
        small.live(path)
    small.get("/job", id=job.id)
    for verb in ("retry", "cancel", "delete"):
        small.get("/jobs/confirm", verb=verb, queue="default")
    assert before == (storage.list(), storage.queues.list(), storage.schedules.list())


def test_a_message_that_is_none_is_left_out(small):
    for value in ("%5B" * 1_300, "%5B1%5D", "x", "%FF"):
        small.http.set_cookie("qml_said", value, path="/qml")
        assert 'class="said' not in small.get("/jobs").text


def test_a_long_message_in_any_script_is_told_in_part(small):
    answer = small.post("/queues/change", {"name": "你" * 600, "verb": "pause"})
    assert small.said(answer).startswith("Queue 你你")


TOO_LONG = {
    "length": {"CONTENT_LENGTH": "1000001"},
    "no length": {"HTTP_TRANSFER_ENCODING": "chunked"},
}


@pytest.mark.parametrize("way", TOO_LONG)
def test_what_is_too_long_for_a_form_is_not_read(memory_app, mount, way):
    """Not even by the page to sign in at, which anybody may send something to."""

    class Unread:
        def __getattr__(self, name):
            raise AssertionError(f"{name} of the body was used")

    client = mount(memory_app, token=TOKEN)
    client.http.set_cookie("qml_form", "x", path="/qml")
    answer = client.http.post(
        "/qml/sign-in",
        headers={**BROWSER, "Content-Type": "multipart/form-data; boundary=x"},
        environ_overrides={"wsgi.input": Unread(), "wsgi.input_terminated": True, **TOO_LONG[way]},
    )
    assert answer.status_code == 403
    assert "no form of a page here" in text(answer)


def test_a_guess_at_what_forms_are_signed_with_takes_long(memory_app, mount):
    """The page to sign in at shows a signature: a fast one would let tokens be tried elsewhere."""
    closed = mount(memory_app, token=TOKEN)
    form = re.search(r'name="_form" value="([^"]+)"', closed.get("/", 401).text)[1]
    begun = time.process_time()
    key = Tokened(TOKEN, "qml").key
    assert time.process_time() - begun > 0.005
    cookie = closed.http.get_cookie("qml_form", path="/qml").value
    key = hashlib.sha256(b"qml form\0" + key).digest()
    assert hmac.new(key, f"qml {cookie}".encode(), "sha256").hexdigest() == form

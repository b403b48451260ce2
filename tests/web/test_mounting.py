"""Wherever it is mounted it works, and all that it answers is safe to show."""

import re
import socket
import threading
from urllib.parse import unquote

import pytest
from flask import Flask

from qml import Job, connect
from qml.web import dashboard, serving
from qml.web.mounting import LOOKING
from tests.web.asking import Client, links, text

PAGES = [rule for rule, _ in LOOKING.values() if "<" not in rule and "confirm" not in rule]


def addresses(page):
    return re.findall(r'(?:href|action|src)="([^"#][^"]*)"', page.text)


@pytest.mark.parametrize("prefix", ["", "/qml", "/a/b c/d"])
@pytest.mark.parametrize("script", ["", "/app", "/über"])
def test_all_addresses_are_below_the_prefix(memory_app, mount, prefix, script):
    client = mount(memory_app, prefix=prefix)
    job = memory_app.storage.enqueue(Job("m"))
    environ = {"SCRIPT_NAME": script.encode().decode("latin-1")}
    begin = script + prefix + "/"
    for path in PAGES:
        page = client.get(path, environ=environ, id=job.id)
        found = addresses(page)
        assert len(found) > 8
        assert [link for link in found if not unquote(link).startswith(begin)] == []


def test_cookies_keep_to_the_prefix(memory_app, mount):
    client = mount(memory_app, prefix="/a/b")
    [cookie] = client.get("/", environ={"SCRIPT_NAME": "/app"}).headers.getlist("Set-Cookie")
    assert "Path=/app/a/b" in cookie


def test_one_blueprint_twice_under_two_names(memory_app):
    app = Flask("twice")
    blueprint = dashboard(memory_app)
    app.register_blueprint(blueprint, url_prefix="/one")
    app.register_blueprint(blueprint, url_prefix="/two", name="again")
    for prefix in ("/one", "/two"):
        assert all(link.startswith(prefix) for link in addresses(Client(app, prefix).get("/")))


@pytest.mark.parametrize("path", [*PAGES, "/static/qml.css", "/static/qml.js", "/nowhere"])
def test_every_answer_has_safe_headers(small, path):
    small.jobs.storage.enqueue(Job("m"))
    headers = small.http.get(small.prefix + path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    if "static" not in path:
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_nothing_from_elsewhere_and_have_nothing_inline(small, path):
    job = small.jobs.storage.enqueue(Job("m"))
    page = small.get(path, id=job.id).text
    assert not re.search(r"\sstyle\s*=|<style|\son\w+\s*=|javascript:|//[a-z]+\.[a-z]", page)
    assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]


@pytest.mark.parametrize("name", ["qml.css", "qml.js", "qml.svg"])
def test_files_load_nothing_from_elsewhere(small, name):
    content = small.get(f"/static/{name}").text.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|@import|url\(|eval|innerHTML\s*=[^=]", content)


def test_files_are_kept_by_browsers_as_long_as_they_are_the_same(small):
    [link] = [link for link in links(small.get("/")) if "qml.css" in link]
    answer = small.http.get(link)
    assert "immutable" in answer.headers["Cache-Control"]
    assert (
        small.http.get(link, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    )
    assert "immutable" not in small.get("/static/qml.css").headers["Cache-Control"]


@pytest.mark.parametrize("name", ["../mounting.py", "%2e%2e/mounting.py", "x.css", "qml.css/.."])
def test_no_other_files(small, name):
    assert "dashboard" not in small.http.get(f"/qml/static/{name}").text.replace(
        "qml dashboard", ""
    )


def test_parts_come_only_when_they_changed(small, clock):
    storage = small.jobs.storage
    storage.enqueue(Job("m", created_at=storage.now()))
    small.get("/jobs")
    answer = small.live("/jobs")
    assert ">now</time>" in answer.text
    assert "<html" not in answer.text
    assert 'id="live"' in answer.text
    assert 'id="nav"' in answer.text
    clock.advance(5)
    assert ">5 s ago</time>" in small.live("/jobs").text
    same = small.live("/jobs", 304, etag=answer.headers["ETag"])
    assert same.data == b""
    assert same.headers["Qml-Now"], "the clock goes on"
    small.jobs.storage.enqueue(Job("other"))
    assert "other" in text(small.live("/jobs", etag=answer.headers["ETag"]))


def test_it_takes_no_part_in_the_app_around_it(memory_app, tmp_path):
    """Neither its templates nor its filters, settings or handlers are the dashboard's."""
    (tmp_path / "layout.html").write_text("of the app")
    app = Flask("around", template_folder=str(tmp_path))
    app.jinja_env.autoescape = False
    app.jinja_env.filters["moment"] = lambda *_: "of the app"
    app.context_processor(lambda: {"now": "of the app", "counts": {}})
    app.register_blueprint(dashboard(memory_app), url_prefix="/qml")
    memory_app.storage.enqueue(Job("<b>"))
    page = Client(app).get("/jobs").text
    assert "of the app" not in page
    assert "<b>" not in page


def test_it_connects_when_it_is_first_looked_at(tmp_path):
    from qml import Qml

    file = tmp_path / "jobs.db"
    jobs = Qml(f"sqlite:///{file}")
    app = Flask("lazy")
    app.register_blueprint(dashboard(jobs), url_prefix="/qml")
    assert not file.exists()
    Client(app).get("/")
    assert file.exists()
    jobs.storage.close()


def test_the_storage_of_a_test_is_shown(memory_app, mount):
    client = mount(memory_app)
    with connect("memory://") as other, memory_app.using_storage(other):
        other.queues.pause("of the test")
        assert "of the test" in text(client.get("/queues"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/jobs", "/queues/change", "/nowhere", "//jobs"])
def test_served_alone_every_answer_has_safe_headers(storage_in_memory, method, path):
    server = serving.listening(storage_in_memory, "127.0.0.1", 0, None, False)
    try:
        answer = server.app.test_client().open(path, method=method)
    finally:
        server.server_close()
    assert answer.status_code in (308, 403, 404, 405)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_served_alone_nobody_holds_a_thread_for_long(storage_in_memory, monkeypatch):
    assert serving._Handler.timeout == serving.SLOWEST
    monkeypatch.setattr(serving._Handler, "timeout", 0.1)
    server = serving.listening(storage_in_memory, "127.0.0.1", 0, None, False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: loc")
            assert client.recv(1) == b""
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_overview_is_guarded_whatever_the_method(memory_app, mount, method):
    client = mount(memory_app, token="correct horse battery staple")
    answer = getattr(client.http, method)("/qml/")
    assert answer.status_code == 401
    assert "Content-Security-Policy" in answer.headers


@pytest.fixture
def storage_in_memory():
    with connect("memory://") as found:
        yield found

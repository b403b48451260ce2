"""Who may see a dashboard: closed unless it is opened, on every address it has."""

import re

import pytest
import werkzeug
from flask import Flask, Response, abort

from qml import ConfigurationError, connect
from qml.web import dashboard
from qml.web.mounting import CHANGING, LOOKING
from tests.web.asking import Client, text

TOKEN = "correct horse battery staple"

PATHS = [
    *(rule for rule, _ in LOOKING.values() if "<" not in rule),
    "/static/qml.css",
    "/static/../mounting.py",
    "/nowhere",
    "/job/1/%2e%2e",
]

POSTS = [rule for rule, _ in CHANGING.values()]

FROM_ELSEWHERE = {
    "another machine": ({}, {"REMOTE_ADDR": "192.0.2.7"}),
    "another machine by IPv6": ({}, {"REMOTE_ADDR": "2001:db8::7"}),
    "a socket file": ({}, {"REMOTE_ADDR": ""}),
    "another host's name": ({"Host": "evil.example"}, {}),
    "another host's name with a port": ({"Host": "evil.example:8787"}, {}),
    "a name that begins like this": ({"Host": "localhost.evil.example"}, {}),
    "an address elsewhere": ({"Host": "192.0.2.7:8787"}, {}),
    "no name": ({"Host": ""}, {}),
    "a proxy": ({"X-Forwarded-For": "203.0.113.9"}, {}),
    "a proxy that claims to be here": ({"X-Forwarded-For": "127.0.0.1"}, {}),
    "a proxy's host": ({"X-Forwarded-Host": "jobs.example"}, {}),
    "a proxy by the standard": ({"Forwarded": "for=203.0.113.9"}, {}),
    "a proxy's old header": ({"X-Real-IP": "203.0.113.9"}, {}),
    "a cache": ({"Via": "1.1 cache"}, {}),
    "a proxy that says nothing": ({}, {"SERVER_PROTOCOL": "HTTP/1.0"}),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("way", FROM_ELSEWHERE)
def test_without_anything_only_this_machine_is_answered(small, path, way):
    headers, environ = FROM_ELSEWHERE[way]
    answer = small.get(path, 403, headers=headers, environ=environ)
    assert "authorize=" in answer.text
    assert "--token" in answer.text


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("way", FROM_ELSEWHERE)
def test_nor_is_anything_changed(small, path, way):
    headers, environ = FROM_ELSEWHERE[way]
    answer = small.http.post(small.prefix + path, headers=headers, environ_overrides=environ)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "LOCALHOST:8787"),
        ("127.0.0.1", "127.0.0.1:8787"),
        ("127.8.8.8", "127.0.0.1"),
        ("::1", "[::1]:8787"),
        ("::ffff:127.0.0.1", "localhost:1"),
    ],
)
def test_this_machine_is_answered(small, address, host):
    small.get("/", headers={"Host": host}, environ={"REMOTE_ADDR": address})


@pytest.mark.parametrize("path", PATHS)
def test_a_function_of_the_app_decides(memory_app, mount, path):
    answers = {"no": False, "none": None}
    for answer in answers.values():
        found = mount(memory_app, authorize=lambda answer=answer: answer).get(path, 403)
        assert found.text.startswith("Refused")
    open_to_all = mount(memory_app, authorize=lambda: True)
    away = {"environ": {"REMOTE_ADDR": "192.0.2.7"}, "headers": {"X-Forwarded-For": "x"}}
    known = path in [rule for rule, _ in LOOKING.values()]
    if known and path not in ("/job", "/jobs/confirm"):
        open_to_all.get(path, **away)


def test_it_may_answer_with_a_way_to_sign_in_or_abort(memory_app, mount):
    for made in (Response, werkzeug.Response):
        redirect = made("", 302, headers={"Location": "/login"})
        assert mount(memory_app, authorize=lambda it=redirect: it).get("/", 302).location
    mount(memory_app, authorize=lambda: abort(418)).get("/", 418)


@pytest.mark.parametrize("slip", [1, "yes", len, [False]])
def test_a_slip_lets_nobody_in(memory_app, mount, slip):
    client = mount(memory_app, authorize=lambda: slip)
    assert "give True, False or a response" in text(client.get("/", 400))


async def _coroutine():
    return True


def _yields():
    yield True


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"authorize": _coroutine}, "dashboard authorize is an async function"),
        ({"authorize": _yields}, "dashboard authorize is a generator"),
        ({"authorize": True}, "dashboard authorize is True; give a function"),
        ({"token": "short"}, "16 characters"),
        ({"token": ""}, "16 characters"),
        ({"token": b"bytes that are long enough"}, "16 characters"),
        ({"token": TOKEN, "authorize": lambda: True}, "one of them"),
        ({"read_only": "yes"}, "True or False"),
        ({"name": "a.b"}, "letters"),
        ({"name": ""}, "letters"),
        ({"redact": "password"}, "sequence"),
        ({"redact": ["("]}, "regular expressions"),
    ],
)
def test_settings_that_cannot_be(memory_app, options, says):
    with pytest.raises(ConfigurationError, match=says):
        dashboard(memory_app, **options)


def test_a_dashboard_is_of_a_store():
    with pytest.raises(ConfigurationError, match="not of str"):
        dashboard("sqlite:///jobs.db")


@pytest.fixture
def closed(memory_app, mount):
    return mount(memory_app, token=TOKEN)


AWAY = {"REMOTE_ADDR": "192.0.2.7"}


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/static/qml.css"])
def test_with_a_token_nothing_is_shown_before_it_is_given(closed, path):
    for environ in ({}, AWAY):
        answer = closed.get(path, 401, environ=environ)
        assert "Token of this dashboard" in answer.text or answer.status_code == 404
    assert closed.get("/static/qml.css").mimetype == "text/css"


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/sign-in"])
def test_nor_changed(closed, path):
    assert closed.http.post(closed.prefix + path).status_code == 401


def sign_in(client, token, then="", headers=None):
    page = client.get("/", 401)
    form = re.search(r'name="_form" value="([^"]+)"', page.text)[1]
    return client.http.post(
        client.prefix + "/sign-in",
        data={"_form": form, "token": token, "then": then},
        headers={"Sec-Fetch-Site": "same-origin"} if headers is None else headers,
    )


def test_signing_in_and_out(closed):
    answer = sign_in(closed, TOKEN, then="/qml/jobs?state=failed")
    assert answer.headers["Location"] == "/qml/jobs?state=failed"
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("qml_session"))
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/qml" in cookie
    assert TOKEN not in cookie
    closed.get("/jobs", environ=AWAY)
    closed.post("/sign-out", {})
    closed.get("/jobs", 401)


def test_the_page_that_was_asked_for_comes_after_signing_in(closed):
    page = closed.get("/jobs", 401, state="failed", queue="a&b")
    assert 'name="then" value="/qml/jobs?state=failed&amp;queue=a%26b"' in page.text


@pytest.mark.parametrize(
    "then",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/qmlx",
        "/other",
        "javascript:1",
        "/qml/\r\nX: y",
        "",
    ],
)
def test_signing_in_leads_nowhere_else(closed, then):
    assert sign_in(closed, TOKEN, then=then).headers["Location"] == "/qml/"


@pytest.mark.parametrize("prefix", ["/qml", None])
def test_nor_from_a_dashboard_at_the_root(memory_app, mount, prefix):
    client = mount(memory_app, prefix="", token=TOKEN)
    assert sign_in(client, TOKEN, then="//evil.example/").headers["Location"] == "/"


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "\udc80", "é" * 20])
def test_another_token_is_refused(closed, token):
    answer = sign_in(closed, token.encode(errors="surrogatepass"))
    assert answer.status_code == 401
    assert "This is not the token" in answer.text
    assert all("session" not in cookie for cookie in answer.headers.getlist("Set-Cookie"))
    closed.get("/jobs", 401)


FORGERIES = {
    "another signature": lambda cookie: cookie[:-1] + ("0" if cookie[-1] != "0" else "1"),
    "a later time": lambda cookie: "9" + cookie,
    "empty": lambda _: "",
    "dots": lambda _: "..",
    "no dots": lambda cookie: cookie.replace(".", ""),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_cookie_is_refused(closed, change):
    sign_in(closed, TOKEN)
    cookie = closed.http.get_cookie("qml_session", path="/qml")
    closed.http.set_cookie("qml_session", change(cookie.value), path="/qml")
    closed.get("/jobs", 401)


def test_a_browser_is_forgotten_after_half_a_day(closed, monkeypatch):
    sign_in(closed, TOKEN)
    closed.get("/jobs")
    now = __import__("time").time()
    monkeypatch.setattr("qml.web.gate.time.time", lambda: now + 12 * 3600 + 61)
    closed.get("/jobs", 401)


def test_the_cookie_of_another_token_or_dashboard_is_worth_nothing(memory_app, mount, closed):
    sign_in(closed, TOKEN)
    cookie = closed.http.get_cookie("qml_session", path="/qml").value
    for options in ({"token": TOKEN + "!"}, {"token": TOKEN, "name": "other"}):
        other = mount(memory_app, **options)
        name = options.get("name", "qml")
        other.http.set_cookie(f"{name}_session", cookie, path="/qml")
        other.get("/jobs", 401)


def test_programs_give_the_token_in_a_header(closed, memory_app):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    closed.get("/jobs", headers=bearer, environ=AWAY)
    answer = closed.http.post(
        "/qml/queues/change", data={"name": "a", "verb": "pause"}, headers=bearer
    )
    assert answer.status_code == 303
    assert list(memory_app.storage.queues.paused()) == ["a"]
    for wrong in (f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", "Bearer \xe9"):
        answer = closed.get("/jobs", 401, headers={"Authorization": wrong})
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    answer = closed.http.post(
        "/qml/queues/change", data={"name": "b", "verb": "pause"},
        headers={"Authorization": "Bearer nonsense"},
    )  # fmt: skip
    assert answer.status_code == 401


def test_the_token_is_never_in_an_address_or_a_page(closed):
    closed.get("/jobs", 401, token=TOKEN)
    for answer in (sign_in(closed, TOKEN), closed.get("/"), closed.get("/servers")):
        assert TOKEN not in answer.text
        assert TOKEN not in str(answer.headers)


def test_two_dashboards_in_one_app(clock):
    app = Flask("two")
    with connect("memory://") as one, connect("memory://") as other:
        one.queues.pause("first")
        other.queues.pause("second")
        app.register_blueprint(dashboard(one, token=TOKEN), url_prefix="/one")
        app.register_blueprint(dashboard(other, name="other"), url_prefix="/two/deep")
        first, second = Client(app, "/one"), Client(app, "/two/deep")
        second.http = first.http
        sign_in(first, TOKEN)
        assert "first" in text(first.get("/queues"))
        assert "first" not in text(second.get("/queues"))
        assert all(
            link.startswith("/two/deep/")
            for link in re.findall(r'(?:href|action|src)="([^"]+)"', second.get("/queues").text)
            if not link.startswith("#")
        )
        first.post("/queues/change", {"name": "first", "verb": "resume"})
        second.post("/queues/change", {"name": "second", "verb": "resume"})
        assert not one.queues.paused()
        assert not other.queues.paused()

"""``qml dashboard``: serves a store, to this machine or to who has the token."""

import re
import signal
import sys
import urllib.error
import urllib.request

import pytest

from tests.cli.calls import ended

TOKEN = "correct horse battery staple"


def address(process):
    """Where it listens, as the banner says."""
    told = ""
    while "Ctrl-C" not in told:
        line = process.stdout.readline()
        assert line, f"it ended: {told}"
        told += line
    return re.search(r"http://\S+", told)[0], told


def fetch(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_serves_the_store_and_ends_with_ctrl_c(app, start):
    app.queues.pause("of this store")
    process = start("dashboard", "--url", "sqlite:///jobs.db", "--port", "0")
    url, told = address(process)
    assert url.startswith("http://127.0.0.1:")
    assert "this machine only" in told
    status, page = fetch(f"{url}queues")
    assert status == 200
    assert "of this store" in page
    assert fetch(url, Host="evil.example")[0] == 403
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert (done.code, done.out, done.err) == (0, "The dashboard has ended.\n", "")


def test_it_ends_with_sigterm(app, start):
    process = start("dashboard", "--url", "sqlite:///jobs.db", "--port", "0")
    address(process)
    process.terminate()
    assert ended(process).code == 0


def test_a_token_by_the_variable(app, start):
    variables = {"QML_URL": "sqlite:///jobs.db", "QML_DASHBOARD_TOKEN": TOKEN}
    process = start("dashboard", "--host", "0.0.0.0", "--port", "0", "--read-only", env=variables)
    url, told = address(process)
    assert "who has the token, read-only" in told
    assert TOKEN not in told
    here = re.sub(r"//[^:]+", "//127.0.0.1", url)
    assert fetch(here)[0] == 401
    assert fetch(here, Authorization=f"Bearer {TOKEN}")[0] == 200
    process.send_signal(signal.SIGINT)
    assert TOKEN not in ended(process).err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_without_a_token_it_listens_nowhere_else(app, qml, host):
    called = qml("dashboard", "--url", "sqlite:///jobs.db", "--host", host)
    assert called.code == 2
    assert "QML_DASHBOARD_TOKEN" in called.err


def test_a_short_token_is_refused_and_not_shown(app, qml):
    called = qml("dashboard", "--url", "sqlite:///jobs.db", "--token", "tooshort")
    assert called.code == 2
    assert "16 characters" in called.err
    assert "tooshort" not in called.err


def test_a_port_that_is_taken(app, start, qml):
    process = start("dashboard", "--url", "sqlite:///jobs.db", "--port", "0")
    port = address(process)[0].rstrip("/").rpartition(":")[2]
    called = qml("dashboard", "--url", "sqlite:///jobs.db", "--port", port)
    assert called.code == 2
    assert f"port {port}" in called.err


def test_a_port_that_cannot_be(app, qml):
    called = qml("dashboard", "--url", "sqlite:///jobs.db", "--port", 99999)
    assert called.code == 2
    assert "--port is '99999'; give a whole number from 0 to 65535" in called.err


def test_a_store_that_is_not_there(folder, qml):
    called = qml("dashboard", "--url", "sqlite:///none.db")
    assert called.code == 3
    assert not (folder / "none.db").exists()


def test_without_flask_it_says_what_to_install(app, qml, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("flask", "qml.web"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flask", None)
    called = qml("dashboard", "--url", "sqlite:///jobs.db")
    assert called.code == 2
    assert "queue-me-later[dashboard]" in called.err

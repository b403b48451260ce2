"""The health port while a store accepts and says nothing: every answer is back in time."""

import http.client
import time
from contextlib import ExitStack

import pytest

from qml import Qml
from qml.cli import health
from qml.metrics import asking
from qml.work import health as bounds
from tests.work.support import eventually

from .tasks import SOON

AT_ONCE = 1.0
"""Seconds that an answer may take that asks no store; a busy machine included."""


@pytest.fixture
def told(monkeypatch):
    """How long the answers of a port took, and what they were."""
    monkeypatch.setattr(bounds, "UNANSWERED", 0.5)

    def ask(url, path):
        begun = time.monotonic()
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body, time.monotonic() - begun

    return ask


def test_a_silent_store_keeps_no_probe_waiting(store, proxy, led, told, monkeypatch):
    """With the timeouts of a storage as they are: half a minute."""
    monkeypatch.setattr(asking, "FRESH", 0.0)
    monkeypatch.setattr(asking, "SHARE", 1e9)
    with ExitStack() as stack:
        storage = stack.enter_context(store.open(led, retry=SOON))
        app = Qml(storage)
        server = app.server(threads=2, poll_interval=0.1, grace_seconds=0)
        stack.callback(server.stop)
        stack.callback(proxy.heal)
        where = health.beside(app, server, "127.0.0.1", 0)
        said = []
        monkeypatch.setattr(health.log, "info", lambda text, url, *more: said.append(url))
        stack.enter_context(where)
        server.start()
        [url] = said
        eventually(lambda: told(url, "/readyz")[0] == 200)
        assert "qml_store_up 1.0" in told(url, "/metrics")[1]
        proxy.silence()
        why = eventually(lambda: (answer := told(url, "/readyz"))[0] == 503 and answer[1])
        assert "the store" in why
        for path, status, bound in (
            ("/healthz", 200, AT_ONCE),
            ("/readyz", 503, AT_ONCE),
            ("/metrics", 200, asking.PATIENCE + AT_ONCE),
        ):
            found, body, seconds = told(url, path)
            assert found == status
            assert seconds < bound, path
        assert "qml_store_up 0.0" in body
        assert "qml_threads 2.0" in body
        assert "qml_jobs{" not in body
        proxy.heal()
        eventually(lambda: told(url, "/readyz")[0] == 200, 60)
        assert eventually(lambda: "qml_store_up 1.0" in told(url, "/metrics")[1], 60)

"""A store that is down: every page says so, and goes on when it is back."""

import threading
import time

import pytest
from flask import Flask

from qml import Job, Qml, StorageUnavailable
from qml.storage.storage import Storage
from qml.web import dashboard
from qml.web.mounting import CHANGING, LOOKING
from tests.web.asking import Client, text

PAGES = [rule for rule, _ in LOOKING.values() if "static" not in rule]


class Down:
    """A driver that answers until it is put down, and counts what it is asked."""

    def __init__(self, driver):
        self.driver, self.down, self.asked, self.slow = driver, False, [], 0.0
        self.down_at = None

    def __getattr__(self, name):
        verb = getattr(self.driver, name)
        if name in ("describe", "close", "install", "time") or not callable(verb):
            return verb

        def ask(*arguments, **options):
            self.asked.append(name)
            time.sleep(self.slow)
            if self.down or len(self.asked) == self.down_at:
                raise StorageUnavailable("PostgreSQL at db.example: connection refused")
            return verb(*arguments, **options)

        return ask


@pytest.fixture
def down(small):
    storage = small.jobs.storage
    driver = Down(storage.driver)
    app = Flask("down")
    app.register_blueprint(dashboard(Qml(Storage(driver, clock=storage.clock))), url_prefix="/qml")
    client = Client(app)
    client.driver = driver
    return client


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_so(down, path):
    query = {"id": "x", "verb": "retry"}
    down.driver.down = True
    answer = down.get(path, 503, **query)
    assert "The store does not answer" in text(answer)
    assert "connection refused" in text(answer)
    assert "Traceback" not in answer.text
    assert "Content-Security-Policy" in answer.headers
    assert answer.headers["Retry-After"]
    down.live(path, 503, **query)


@pytest.mark.parametrize("path", [p for p, _ in CHANGING.values() if not p.startswith("/sign")])
def test_so_does_every_form(down, path):
    token = down.token()
    down.driver.down = True
    given = {"id": "x", "pick": "x", "name": "x", "verb": "pause" if "queue" in path else "retry"}
    given["verb"] = "trigger" if "schedules" in path else given["verb"]
    assert "does not answer" in text(down.post(path, given, 503, token=token))


def test_it_goes_on_when_the_store_is_back(down):
    down.get("/")
    down.driver.down = True
    time.sleep(0.01)
    down.get("/jobs", 503)
    down.driver.down = False
    down.get("/jobs")


@pytest.mark.parametrize("path", PAGES)
def test_a_fault_in_any_call_is_no_error_of_the_dashboard(memory_app, path):
    """Each call of the store fails once in turn."""
    storage = memory_app.storage
    job = storage.enqueue(Job("m", batch="b"))
    query = {"id": job.id, "verb": "retry"}
    for number in range(1, 40):
        driver = Down(storage.driver)
        driver.down_at = number
        app = Flask("faulty")
        app.register_blueprint(dashboard(Storage(driver, clock=storage.clock)))
        answer = app.test_client().get(path, query_string=query)
        if answer.status_code == 200:
            assert len(driver.asked) < number
            return
        assert answer.status_code == 503
    raise AssertionError("a page asks too much")


def test_counts_are_asked_for_once_by_many_who_look(down):
    down.driver.slow = 0.05
    threads = [
        threading.Thread(target=down.app.test_client().get, args=("/qml/batches",))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert down.driver.asked.count("count") == 1


def test_what_was_changed_here_is_seen_at_once(down):
    down.get("/queues")
    down.post("/queues/change", {"name": "mail", "verb": "pause"})
    assert "mail" in text(down.get("/queues"))

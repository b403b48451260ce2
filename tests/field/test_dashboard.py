"""Dashboards: a stored script ran in one, and pages were open to all by default."""

import re

import pytest
from flask import Flask

from qml import Job
from qml.storage import servers
from qml.values.states import Failed
from qml.web import dashboard

SCRIPT = "<script>fetch('/qml/jobs/change', {method: 'POST'})</script>"

PATHS = ("/", "/queues", "/jobs", "/batches", "/schedules", "/servers", "/errors")


@pytest.fixture
def client(app):
    flask = Flask("field")
    flask.register_blueprint(dashboard(app), url_prefix="/qml")
    return flask.test_client()


def test_a_script_in_a_queue_name_or_an_error_is_only_text(client, storage):
    job = storage.enqueue(Job(SCRIPT, [SCRIPT], queue=SCRIPT, metadata={SCRIPT: SCRIPT}))
    [claimed] = storage.fetch_available_jobs_atomic(SCRIPT, 1)
    storage.finish(claimed, Failed(exception=f"Error: {SCRIPT}", stack_trace=SCRIPT))
    servers.beat(storage, SCRIPT, {"host": SCRIPT, "queues": [SCRIPT]})
    seen = 0
    for path in (*PATHS, f"/job?id={job.id}"):
        answer = client.get(f"/qml{path}")
        assert answer.status_code == 200
        assert SCRIPT not in answer.text
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        seen += answer.text.count("&lt;script&gt;fetch")
    assert seen > 10


def test_pages_are_closed_to_other_machines_by_default(client):
    for path in PATHS:
        for environ in ({"REMOTE_ADDR": "198.51.100.4"}, {"HTTP_X_FORWARDED_FOR": "198.51.100.4"}):
            answer = client.get(f"/qml{path}", environ_overrides=environ)
            assert answer.status_code == 403
            assert "authorize" in answer.text


def test_a_form_of_another_site_does_nothing(client, storage):
    job = storage.enqueue(Job("m"))
    token = re.search(r'name="_form" value="([^"]+)"', client.get("/qml/jobs").text)[1]
    fields = {"_form": token, "verb": "delete", "id": job.id, "after": "9"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = client.post("/qml/jobs/change", data=fields, headers=headers)
        assert answer.status_code == 403
    del fields["_form"]
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert client.post("/qml/jobs/change", data=fields, headers=own).status_code == 403
    assert storage.get(job.id) == job

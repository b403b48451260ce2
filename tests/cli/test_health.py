"""The health port: what it answers, and to whom it listens no longer; and the log's formats."""

import http.client
import json
import re
import signal
import socket
import sys
import threading
import time

import pytest

from qml import ConfigurationError, Job
from qml.cli import health
from qml.cli.health import Answer, serving, text
from qml.work.health import Health
from tests.cli.calls import ended, until


def get(url, path, method="GET", **headers):
    host, port = url.removeprefix("http://").rsplit(":", 1)
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def probe(url, path):
    status, body, _ = get(url, path)
    return status, body.strip()


@pytest.fixture
def server():
    """Of what health is answered: to be changed; and the URL."""
    state = {"health": Health(True, True)}

    def answer():
        return state["health"]

    routes = health.routes(answer, lambda: Answer(200, b"qml_store_up 1\n", "text/x-figures"))
    with serving("127.0.0.1", 0, routes) as url:
        state["url"] = url
        yield state


def test_what_is_answered(server):
    url = server["url"]
    assert probe(url, "/healthz") == (200, "ok")
    assert probe(url, "/readyz?from=kubelet") == (200, "ok")
    status, body, headers = get(url, "/metrics")
    assert (status, body, headers["Content-Type"]) == (200, "qml_store_up 1\n", "text/x-figures")
    assert headers["Server"].strip() == "qml"  # no versions for strangers
    assert get(url, "/healthz", "HEAD")[:2] == (200, "")
    assert probe(url, "/") == (404, "there is /healthz, /readyz, /metrics")
    assert get(url, "/healthz", "POST")[0] == 501
    server["health"] = Health(True, False, "it drains: it claims nothing more")
    assert probe(url, "/healthz") == (200, "ok")
    assert probe(url, "/readyz") == (503, "it drains: it claims nothing more")
    server["health"] = Health(False, False, "w-claimloop has ended")
    assert probe(url, "/healthz") == (503, "w-claimloop has ended")


def test_an_answer_that_fails_harms_nothing_else(caplog):
    def fail():
        raise RuntimeError("no figures")

    routes = {"/metrics": fail, "/healthz": lambda: text(200, "ok")}
    with serving("127.0.0.1", 0, routes) as url:
        assert probe(url, "/metrics")[0] == 500
        assert probe(url, "/healthz") == (200, "ok")
    assert "no figures" in caplog.text


def test_a_port_that_is_taken():
    with serving("127.0.0.1", 0, {}) as url:
        port = int(url.rsplit(":", 1)[1])
        with (
            pytest.raises(ConfigurationError, match=rf"127.0.0.1 port {port} cannot be used"),
            serving("127.0.0.1", port, {}),
        ):
            pass
    with serving("127.0.0.1", port, {}):  # free at once
        pass


def test_ipv6():
    with serving("::1", 0, {"/healthz": lambda: text(200, "ok")}) as url:
        assert url.startswith("http://[::1]:")
        assert probe(url, "/healthz") == (200, "ok")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9090", "127.0.0.1:1", "127.8.8.8", "[::1]:9", "localhost.", ""]
)
def test_this_machine_is_answered(server, host):
    assert get(server["url"], "/metrics", Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.1.2.3", "[::2]", "["]
)
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/"])
def test_no_other_host_is_on_the_loopback(server, host, path):
    status, body, _ = get(server["url"], path, Host=host)
    assert status == 403
    assert "qml_store_up" not in body
    assert "answers to localhost only" in body


def test_who_names_no_host_is_answered(server):
    with connect(server["url"]) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert client.makefile().readline().split()[1] == "200"


@pytest.mark.parametrize("host", ["10.1.2.3:8001", "qml.jobs.svc:8001", "web-1"])
def test_elsewhere_a_port_goes_by_any_name(host):
    """A pod's address, as probes and Prometheus have it, or the name of a service."""
    with serving("0.0.0.0", 0, {"/healthz": lambda: text(200, "ok")}) as url:
        here = url.replace("0.0.0.0", "127.0.0.1")
        assert get(here, "/healthz", Host=host)[:2] == (200, "ok\n")


def test_a_name_that_the_user_gave_is_answered():
    assert health.is_meant("web-1.LAN:8001", "Web-1.lan", "127.0.1.1")
    assert not health.is_meant("web-2.lan", "web-1.lan", "127.0.1.1")


def connect(url):
    host, port = url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def is_closed(client):
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_who_says_nothing_is_closed(monkeypatch, server):
    monkeypatch.setattr(health._Handler, "timeout", 0.05)
    with connect(server["url"]) as client:
        assert is_closed(client)


def test_who_says_a_little_now_and_then_is_closed_too(monkeypatch, server):
    monkeypatch.setattr(health, "LONGEST", 0.5)
    with connect(server["url"]) as client:
        client.settimeout(0.02)
        begun = time.monotonic()
        while time.monotonic() - begun < 9:
            try:
                client.sendall(b"G")
                if client.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - begun < 5


def test_a_crowd_that_says_nothing_keeps_no_probe_out(server, monkeypatch):
    monkeypatch.setattr(health, "LONGEST", 1e9)  # what closes them is their number
    monkeypatch.setattr(health._Handler, "timeout", 1e6)
    crowd = [connect(server["url"]) for _ in range(3 * health.AT_ONCE)]
    try:
        assert probe(server["url"], "/healthz") == (200, "ok")

        def threads():
            names = [thread.name for thread in threading.enumerate()]
            return sum("process_request_thread" in name for name in names)

        until(lambda: threads() <= health.AT_ONCE + 1)
    finally:
        for client in crowd:
            client.close()


# -- with a server -------------------------------------------------------------------------------


def url_of(process):
    """Where a started ``qml run`` answers, as its log says."""
    for line in process.stderr:
        if found := re.search(r"(http://\S+)/healthz", line):
            return found[1]
    raise AssertionError("it did not say where")


def test_qml_run_answers_while_it_runs(app, start, folder):
    job = app.enqueue(Job("myapp.sleep", [60]))
    process = start("run", "myapp", "--health-port", 0, "--grace", 1)
    url = url_of(process)
    until(lambda: probe(url, "/readyz") == (200, "ok"))
    assert probe(url, "/healthz") == (200, "ok")
    until((folder / "started").exists)
    status, body, headers = get(url, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    told = body.splitlines()
    assert "qml_store_up 1.0" in told
    assert 'qml_jobs{queue="default",state="processing"} 1.0' in told
    assert "qml_threads 8.0" in told
    assert "qml_threads_busy 1.0" in told
    assert 'qml_jobs_started_total{queue="default",task="myapp.sleep"} 1.0' in told
    process.send_signal(signal.SIGTERM)
    until(lambda: probe(url, "/readyz") == (503, "it is stopping"))
    assert probe(url, "/healthz") == (200, "ok")
    assert ended(process).code == 4
    assert app.get(job.id).state.kind == "enqueued"
    with pytest.raises(ConnectionRefusedError):
        get(url, "/healthz")


def test_without_the_library_metrics_say_what_to_install(app, start, folder):
    (folder / "prometheus_client.py").write_text(
        "raise ModuleNotFoundError('no', name='prometheus_client')"
    )
    process = start("run", "myapp", "--health-port", 0)
    url = url_of(process)
    assert probe(url, "/metrics") == (501, health.WITHOUT)
    until(lambda: probe(url, "/readyz") == (200, "ok"))


def test_the_port_of_another_ends_it(app, start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        called = ended(start("run", "myapp", env={"QML_HEALTH_PORT": str(port)}))
    assert called.code == 2
    assert f"--health-port: 127.0.0.1 port {port} cannot be used" in called.err
    assert "as --health-host an address of this machine" in called.err
    assert "Traceback" not in called.err


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_is_none(qml, port):
    called = qml("run", "myapp", f"--health-port={port}")
    assert called.code == 2
    assert "give a whole number from 0 to 65535" in called.err


def test_a_process_task_runs_beside_it(folder, start):
    (folder / "apart.py").write_text(
        "import os\n"
        "from qml import Qml\n"
        "jobs = Qml('sqlite:///jobs.db')\n"
        "@jobs.task(process=True, max_retries=0)\n"
        "def where():\n"
        "    return os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    where.enqueue()\n"
    )
    import subprocess

    subprocess.run([sys.executable, "apart.py"], cwd=folder, check=True)
    process = start("run", "apart", "--burst", "--health-port", 0)
    called = ended(process)
    assert called.code == 0, called.err
    from qml import connect as storage_at

    with storage_at("sqlite:///jobs.db") as storage:
        [job] = storage.list()
        assert job.state.kind == "succeeded", job.state
        assert job.state.result != process.pid


# -- logs ----------------------------------------------------------------------------------------


def test_json_logs(app, start):
    app.enqueue(Job("myapp.fail", ["no"], max_retries=0))
    called = ended(start("run", "myapp", "--burst", "--log-format", "json"))
    assert called.code == 0
    lines = [json.loads(line) for line in called.err.splitlines()]
    assert lines[0]["logger"] == "qml.cli"
    assert "myapp.fail" in lines[0]["message"]
    [failure] = [line for line in lines if line["level"] != "INFO"]
    assert (failure["level"], failure["method"]) == ("ERROR", "myapp.fail")
    assert failure["traceback"].endswith("ValueError: no")


def test_the_level_of_logs(app, start):
    env = {"QML_LOG_LEVEL": "warning", "QML_LOG_FORMAT": "json"}
    assert ended(start("run", "myapp", "--burst", env=env)).err == ""


def test_a_format_that_there_is_not(qml):
    called = qml("run", "myapp", "--log-format", "xml")
    assert called.code == 2
    assert "--log-format is 'xml'; give one of plain, json" in called.err

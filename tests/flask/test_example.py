"""The example of the documentation: its tests, its commands, jobs and orders in one file."""

import os
import shutil
import socketserver
import subprocess
import sys
import threading

import pytest

from tests.house.rules import REPO

EXAMPLE = REPO / "docs" / "examples" / "flask_shop"


@pytest.fixture
def call(tmp_path):
    """Runs a module's command in a copy of the example, with the SQLite that qml would choose."""
    folder = tmp_path / "flask_shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "instance"))

    def call(*words, **variables):
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPO), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


class MailServer(socketserver.ThreadingTCPServer):
    """Takes every mail."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Talk)
        self.mails = []


class Talk(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs that only sends."""

    def handle(self):
        self.say(220)
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.say(354)
                mail = iter(self.rfile.readline, b".\r\n")
                self.server.mails.append(b"".join(mail).decode())
            self.say(221 if verb == b"QUIT" else 250)

    def say(self, code):
        self.wfile.write(b"%d so be it\r\n" % code)


@pytest.fixture
def post():
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_its_tests_pass(call):
    done = call("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_orders_and_jobs_are_in_one_file(call, post):
    code = (
        "from shop import create_app; app = create_app(); "
        "print(app.test_client().post('/orders/', data={'item': 'tea', 'email': 'a@b'}).status)"
    )
    done = call("timeit", "-n", "1", "-r", "1", code)
    assert "201 CREATED" in done.stdout, done.stderr
    done = call("flask", "--app", "shop", "qml", "jobs", "list", "--json")
    assert "shop.tasks.confirm" in done.stdout, done.stderr
    assert "shop.db" in call("flask", "--app", "shop", "qml", "doctor").stdout
    host = "{}:{}".format(*post.server_address)
    done = call("flask", "--app", "shop", "qml", "run", "--burst", FLASK_MAIL_HOST=host)
    assert "shop.tasks.report" in done.stderr
    [mail] = post.mails
    assert "We have your order of tea: http://localhost:5000/orders/1" in mail

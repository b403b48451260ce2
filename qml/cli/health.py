"""The health port: a small HTTP server beside ``qml run``, for probes and for Prometheus."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

from ..values.errors import ConfigurationError
from ..values.hosts import is_loopback, name_of
from ..work.app import Qml
from ..work.health import Health
from ..work.server import Server
from . import settings
from .settings import Setting

log = logging.getLogger("qml.health")

IDLE = 5.0
"""Seconds that a client may say nothing, or take nothing."""

LONGEST = 10.0
"""Seconds after which a connection is closed whatever it is at."""

AT_ONCE = 32
"""Connections that are open at once; one more, and the oldest is closed."""

LOOK = 0.2
"""Seconds between two looks for connections that are open too long."""


SETTINGS = (
    Setting(
        "health_port",
        "QML_HEALTH_PORT",
        settings.number(0, 65535),
        None,
        "answer /healthz, /readyz and /metrics on this port; 0 = any that is free (none)",
        "N",
    ),
    Setting(
        "health_host",
        "QML_HEALTH_HOST",
        settings.text,
        "127.0.0.1",
        "the address that port is on (127.0.0.1: this machine alone)",
        "HOST",
    ),
)

WITHOUT = "pip install 'queue-me-later[metrics]' to have figures for Prometheus here"


ELSEWHERE = "this port answers to localhost only, and another host was asked for: --health-host"


@attrs.frozen
class Answer:
    """What is answered: HTTP status, body, content type."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


Routes = Mapping[str, Callable[[], Answer]]


def text(status: int, line: str) -> Answer:
    """A line of text."""
    return Answer(status, f"{line}\n".encode())


def routes(health: Callable[[], Health], metrics: Callable[[], Answer]) -> Routes:
    """What the port answers."""

    def alive() -> Answer:
        found = health()
        return text(200, "ok") if found.alive else text(503, found.why)

    def ready() -> Answer:
        found = health()
        return text(200, "ok") if found.ready else text(503, found.why)

    return {"/healthz": alive, "/readyz": ready, "/metrics": metrics}


def beside(app: Qml, server: Server, host: str, port: int | None) -> AbstractContextManager[Any]:
    """Answer while the block runs, and say where; no ``port``: do nothing."""
    if port is None:
        return nullcontext()
    return _said(serving(host, port, routes(server.health, _figures(app))))


@contextmanager
def _said(serving: AbstractContextManager[str]) -> Iterator[None]:
    with serving as url:
        log.info("health of this server: %s/healthz, %s/readyz, %s/metrics", url, url, url)
        yield


def _figures(app: Qml) -> Callable[[], Answer]:
    try:
        from ..metrics import Metrics, exposition
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        return lambda: text(501, WITHOUT)
    metrics = Metrics.of(app)
    return lambda: Answer(200, *exposition(metrics))


@contextmanager
def serving(host: str, port: int, answers: Routes) -> Iterator[str]:
    """Answer on ``host`` and ``port`` (0 = any that is free) while the block runs; the URL. A
    ConfigurationError when the port is taken, or is not to be had."""
    try:
        server = _Server(host, port, answers)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"--health-port: {host} port {port} cannot be used: {error}; give another port (0 = "
            "any that is free), or as --health-host an address of this machine"
        ) from None
    thread = threading.Thread(
        target=server.serve_forever, args=(LOOK,), name="qml-health", daemon=True
    )
    thread.start()
    try:
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.close_all()


def is_meant(asked_for: str | None, host: str, address: str) -> bool:
    """Whether who asks for a host means the port on ``host``, which is at ``address``. On one of
    this machine alone no other name is answered: a page elsewhere can give a name of its own that
    address, and have a browser here ask (DNS rebinding). Programs may name none; browsers do."""
    if not asked_for or not is_loopback(address):
        return True
    name = name_of(asked_for)
    return is_loopback(name) or name.lower() == host.lower()


class _Handler(BaseHTTPRequestHandler):
    timeout = IDLE
    server_version = "qml"
    sys_version = ""
    server: "_Server"

    def do_GET(self) -> None:
        answer = self._answer(self.path.partition("?")[0])
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET

    def _answer(self, path: str) -> Answer:
        answers = self.server.answers
        if not self.server.is_meant(self.headers.get("Host")):
            return text(403, ELSEWHERE)
        if path not in answers:
            return text(404, f"there is {', '.join(answers)}")
        try:
            return answers[path]()
        except Exception:
            log.exception("%s could not be answered", path)
            return text(500, "it could not be answered; the log says why")

    def log_message(self, *args: Any) -> None:
        """Probes come every few seconds; nobody wants a line for each."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # of what comes at once beyond it, each waits for a second or more

    def __init__(self, host: str, port: int, answers: Routes) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # On Windows it would let two servers have one port.
        self.allow_reuse_address = hasattr(socket, "AF_UNIX")
        self.answers, self._host = answers, host
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Without asking the resolver for the host's name, which may take long."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = map(str, self.server_address[:2])  # type: ignore

    def is_meant(self, asked_for: str | None) -> bool:
        """Whether a request for this host is answered here."""
        return is_meant(asked_for, self._host, str(self.server_address[0]))

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own."""
        with self._lock:
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Between two requests, and every ``LOOK`` seconds: close what is open for too long."""
        with self._lock:
            by_age = sorted(self._open, key=self._open.__getitem__)
            late = time.monotonic() - LONGEST
            over = [request for request in by_age if self._open[request] < late]
            surplus = by_age[: max(0, len(by_age) - AT_ONCE)]
            for request in {*over, *surplus}:
                _shut(request)

    def shutdown_request(self, request: Any) -> None:
        """The request has ended."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was too slow, is no news."""
        log.debug("a request from %s ended early", client_address, exc_info=True)

    def close_all(self) -> None:
        """Let go of the port and of every connection."""
        self.server_close()
        with self._lock:
            for request in self._open:
                _shut(request)


def _shut(request: socket.socket) -> None:
    """The thread that reads from it, or writes, goes on at once and ends."""
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)

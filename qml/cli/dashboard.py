"""``qml dashboard``: the dashboard of a store, served alone."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from .._version import __version__
from ..storage.storage import Storage
from ..values.errors import ConfigurationError
from ..values.hosts import is_loopback
from ..values.texts import plain, say
from . import codes, settings, stores
from .ending import interrupted_by_sigterm
from .settings import Setting

PORT = Setting(
    "port", "QML_DASHBOARD_PORT", settings.number(0, 65535), 8787, "port to listen on (8787)", "N"
)
HOST = Setting(
    "host",
    "QML_DASHBOARD_HOST",
    settings.text,
    "127.0.0.1",
    "address to listen on (127.0.0.1)",
    "ADDRESS",
)
TOKEN = Setting(
    "token",
    "QML_DASHBOARD_TOKEN",
    settings.text,
    None,
    "what one has to know to see it, 16 characters or more; better given by the variable, since "
    "others on the machine can see flags",
    "TEXT",
)
READ_ONLY = Setting(
    "read_only", "QML_DASHBOARD_READ_ONLY", settings.switch, False, "change nothing"
)

ABOUT = """\
Serve the dashboard of a store. Without a token it answers this machine only; to
listen elsewhere it needs one. For many who look, mount qml.web.dashboard in an
app of your own, behind the server that you trust."""


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    parser = commands.add_parser(
        "dashboard", help="look at a store in a browser", description=ABOUT
    )
    settings.add(parser, (stores.URL, PORT, HOST, TOKEN, READ_ONLY))
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or a signal."""
    _check_host(arguments.host, arguments.token)
    with stores.open_existing(arguments.url) as storage:
        server = make_server(
            storage, arguments.host, arguments.port, arguments.token, arguments.read_only
        )
        ended = contextlib.suppress(KeyboardInterrupt)  # as a dashboard does, and no error
        with ended, interrupted_by_sigterm(), _closed(server):
            for line in banner(storage, server.host, server.port, arguments):
                say(line)
            sys.stdout.flush()
            server.serve_forever()
    say("The dashboard has ended.")
    return codes.DONE


@contextlib.contextmanager
def _closed(server: Any) -> Iterator[None]:
    try:
        yield
    finally:
        server.server_close()


def _check_host(host: str, token: str | None) -> None:
    if token is None and not is_loopback(host):
        raise ConfigurationError(
            f"--host {host} lets others in, and there is no token: set QML_DASHBOARD_TOKEN to a "
            "text of 16 characters or more, or leave the host away"
        )


def make_server(storage: Storage, host: str, port: int, token: str | None, read_only: bool) -> Any:
    """The server, which listens by then. ConfigurationError where Flask is not installed."""
    try:
        from ..web import serving
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the dashboard needs Flask: pip install 'queue-me-later[dashboard]'"
        ) from error
    return serving.listening(storage, host, port, token, read_only)


def banner(storage: Storage, host: str, port: int, arguments: argparse.Namespace) -> list[str]:
    """What is served, where, and to whom."""
    shown = f"[{host}]" if ":" in host else host
    whom = "this machine only" if arguments.token is None else "who has the token"
    return [
        f"qml {__version__} dashboard",
        f"  store    {plain(storage.driver.describe())}",
        f"  answers  {whom}{', read-only' if arguments.read_only else ''}",
        f"  address  http://{shown}:{port}/",
        "Ctrl-C ends it.",
    ]

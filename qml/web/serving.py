"""The dashboard served alone, by Werkzeug's server: one thread for each request."""

from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ..storage.storage import Storage
from ..values.errors import ConfigurationError
from . import rendering
from .answering import secure
from .mounting import dashboard

SLOWEST = 30.0
"""Seconds that a client may say nothing, or take nothing, while a thread waits for it."""


class _Handler(WSGIRequestHandler):
    """Speaks HTTP/1.1, and logs nothing: the addresses that people look at are their own."""

    protocol_version = "HTTP/1.1"
    timeout = SLOWEST

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing."""


def listening(
    storage: Storage, host: str, port: int, token: str | None, read_only: bool
) -> BaseWSGIServer:
    """A server that listens by then, at its ``host`` and ``port``; ConfigurationError where it
    cannot. ``port`` 0 takes any that is free."""
    app = Flask("qml.web", static_folder=None)
    app.register_blueprint(dashboard(storage, token=token, read_only=read_only))
    rendering.prepare()
    app.after_request(secure)  # also what Flask answers itself, such as 405
    try:
        return make_server(host, port, app, threaded=True, request_handler=_Handler)
    except (OSError, SystemExit) as error:  # Werkzeug says why and exits where a port is taken
        raise ConfigurationError(
            f"nothing can listen on {host} port {port}: another does, or it is no address of this "
            "machine; give another --port or --host"
        ) from error

"""``qml run``: a server for an app's tasks, until a signal or until nothing is left to do."""

import argparse
import os
from typing import Any

from ..values.errors import ConfigurationError
from ..work.app import Qml
from ..work.server import Server
from . import codes, health, logs, settings
from .banner import banner
from .loading import load_app
from .logs import announce, logging_to_stderr
from .reloading import run_and_reload
from .restarting import Beginning
from .settings import Setting

SECONDS = "give seconds, more than 0"

APP = Setting("app", "QML_APP", settings.text, None, "module:attribute", "APP")

SETTINGS = (
    Setting(
        "threads",
        "QML_THREADS",
        settings.number(1),
        None,
        "jobs to run at once (8, or what --queues reserves)",
        "N",
    ),
    Setting(
        "queues",
        "QML_QUEUES",
        settings.queues,
        None,
        "take jobs from these queues only (every queue); as A:3,B:1 each has so many threads for "
        "itself",
        "A,B",
    ),
    Setting(
        "burst",
        "QML_BURST",
        settings.switch,
        False,
        "end when nothing is left to do within a minute",
    ),
    Setting(
        "lease",
        "QML_LEASE",
        settings.seconds(0.001, SECONDS),
        30.0,
        "how long a job stays taken after this server was killed (30)",
        "SECONDS",
    ),
    Setting(
        "grace",
        "QML_GRACE",
        settings.seconds(0, "give seconds, 0 or more"),
        30.0,
        "how long running jobs may go on after the first signal (30)",
        "SECONDS",
    ),
    Setting("name", "QML_NAME", settings.text, None, "name of this server (the machine's)", "NAME"),
    Setting(
        "max_jobs",
        "QML_MAX_JOBS",
        settings.number(1),
        None,
        "begin again, as a fresh program in the same process, after so many jobs (never)",
        "N",
    ),
    Setting(
        "max_memory",
        "QML_MAX_MEMORY",
        settings.number(1),
        None,
        "the same, once a job has ended and so many MB are in use (never; Linux)",
        "MB",
    ),
    Setting(
        "reload",
        "QML_RELOAD",
        settings.switch,
        False,
        "for development: begin again when a source file of the app changes",
    ),
    *health.SETTINGS,
    *logs.SETTINGS,
)

ABOUT = """\
Run the jobs of an app. APP is module:attribute, such as myapp:jobs; or only the
module, where it holds one Qml; or a file, as in app.py:jobs; or a Flask app
that uses a QmlFlask, or a call that makes one: "shop:create_app()". The current
folder is on sys.path.

SIGTERM or Ctrl-C: claim nothing more, let running jobs end within the grace
period, hand back the rest. A second signal: hand them back at once. SIGUSR1,
where there is one: drain, that is claim nothing more, and end when what runs
has ended, however long that takes; so does qml servers drain.

With --max-jobs or --max-memory it claims nothing more once that is reached,
lets what runs end, and begins again: same process id, arguments and folder. On
Windows it ends with exit code 7 instead.

With --reload it stops as after a first signal once a file ending in .py changes
that the app has imported, or that lies below the current folder, and begins
again. What cannot be imported is said, and the next change waited for."""


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    parser = commands.add_parser(
        "run",
        help="run the jobs of an app",
        description=ABOUT,
    )
    parser.add_argument("app", metavar="APP", nargs="?", help="module:attribute [QML_APP]")
    settings.add(parser, SETTINGS)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal, or with ``burst`` until nothing is left; the exit code."""
    target = APP.value(arguments.app, os.environ)
    if target is None:
        raise ConfigurationError("which app? Give module:attribute, such as qml run myapp:jobs")
    with logging_to_stderr(arguments.log_format, arguments.log_level):
        if arguments.reload:
            return run_and_reload(
                lambda: _made(target, arguments),
                lambda app, server: _run(app, server, arguments),
                arguments.own_process,
            )
        limited = arguments.max_jobs or arguments.max_memory
        beginning = Beginning() if limited and arguments.own_process else None
        app, server = _made(target, arguments)
        with app:
            code = _run(app, server, arguments)
        if code == codes.RETIRED and beginning is not None:
            beginning.ask_for()
        return code  # seen where it does not begin again


def _made(target: str, arguments: argparse.Namespace) -> tuple[Qml, Server]:
    name, app = load_app(target)
    server = app.server(
        threads=arguments.threads,
        queues=arguments.queues,
        lease_seconds=arguments.lease,
        grace_seconds=arguments.grace,
        name=arguments.name,
        max_jobs=arguments.max_jobs,
        max_memory_mb=arguments.max_memory,
    )
    announce(banner(name, app, server), arguments.log_format)
    return app, server


def _run(app: Qml, server: Server, arguments: argparse.Namespace) -> int:
    with health.beside(app, server, arguments.health_host, arguments.health_port):
        server.run(burst=arguments.burst)
    if server.retired:
        return codes.RETIRED
    return codes.LEFT_OVER if server.interrupted else codes.DONE

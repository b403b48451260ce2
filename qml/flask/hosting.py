"""Which process of a web server serves requests: it is that one which may run jobs, too.

An app is made in processes that never serve: in the one that watches the code for flask's reloader,
in gunicorn's master with --preload, in a flask command, in a test. And what serves is often not
known yet while the app is made. So nothing is guessed from the environment: a process serves when a
thread of it has come to the loop of a web server, or when it is asked for the first time.
"""

import faulthandler
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from types import FrameType

EVERY = 0.05
"""Seconds between two looks."""

PATIENCE = 60.0
"""Seconds after which a process is left to its first request."""

_LOOP = re.compile(
    rb"gunicorn[/\\]workers[/\\]\w+\.pyc?\", line \d+ in run$"
    rb"|werkzeug[/\\]serving\.pyc?\", line \d+ in serve_forever$"
)


def serves() -> bool:
    """Whether a thread of this process has come to the loop of a web server. The interpreter writes
    down where each one is, at one moment: to follow the frames of a thread that goes on meanwhile
    is not safe on Python 3.11, which may find something else where a frame was."""
    with tempfile.TemporaryFile() as stacks:
        faulthandler.dump_traceback(stacks)
        stacks.seek(0)
        return any(_LOOP.search(line.rstrip()) for line in stacks)


def _callers() -> Iterator[str]:
    """The modules of what calls this."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        yield frame.f_globals.get("__name__", "")
        frame = frame.f_back


def is_master() -> bool:
    """Whether what calls this is gunicorn's master, which makes the app for those it will fork; or
    that of uWSGI."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        return bool(uwsgi.worker_id() == 0)
    modules = {*_callers()}
    return "gunicorn.arbiter" in modules and not any(
        module.startswith("gunicorn.workers.") for module in modules
    )


class Watch:
    """Calls ``begin`` once this process serves. Many apps in a process, as in tests, have one
    thread each for a minute at most."""

    def __init__(self, begin: Callable[[], object]) -> None:
        self._begin = begin
        self._over = threading.Event()

    def start(self) -> None:
        """Look from now on, in a thread."""
        threading.Thread(target=self._look, name="qml-watch", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def _look(self) -> None:
        for _ in range(int(PATIENCE / EVERY)):
            if serves():
                self._begin()
                return
            if self._over.wait(EVERY):
                return

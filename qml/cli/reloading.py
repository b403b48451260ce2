"""``qml run --reload``: begins again when a source file changes, never two servers at once."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from ..values.errors import QmlError
from ..values.texts import complain, plain
from ..work.app import Qml
from ..work.server import Server
from . import codes
from .restarting import Beginning
from .sources import Sources

log = logging.getLogger("qml.reload")

Made = tuple[Qml, Server]

INTERVAL = 0.5
"""Seconds between two looks."""

SETTLING = 0.1
"""Seconds without a further change, after which an editor, or a checkout, has finished."""

SHARE = 20
"""After a look that took long there is none for so many times as long: at most 5 % of a core."""

BELOW = "_QML_RELOADED"
"""The variable that tells a server that a process above it starts the next one."""

NAMED = 3
"""Files that the log names."""


class Watch:
    """Looks for changes in a thread of its own, from ``start`` on; once there is one, and nothing
    more changes for a moment, ``on_change`` is called, once."""

    def __init__(self, sources: Sources, interval: float = INTERVAL) -> None:
        self.sources = sources
        self.changed = threading.Event()
        self._interval = interval
        self._over = threading.Event()

    def start(self, on_change: Callable[[], None]) -> None:
        """Look from now on."""
        threading.Thread(
            target=self._loop, args=(on_change,), name="qml-reload", daemon=True
        ).start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()

    def wait(self) -> None:
        """Look until there is a change."""
        self._loop(lambda: None)

    def _loop(self, on_change: Callable[[], None]) -> None:
        pause, news = self._interval, set[str]()
        while not self._over.wait(pause):
            begun = time.perf_counter()
            more = self.sources.changed()
            if news and not more:
                log.info("%s changed", ", ".join(self._named(sorted(news))))
                self.changed.set()
                on_change()
                return
            news.update(more)
            took = time.perf_counter() - begun
            pause = SETTLING if news else max(self._interval, SHARE * took)

    def _named(self, files: list[str]) -> Iterator[str]:
        for file in files[:NAMED]:
            yield plain(os.path.relpath(file, self.sources.folder))
        if len(files) > NAMED:
            yield f"{len(files) - NAMED} more"


def run_and_reload(
    make: Callable[[], Made], run: Callable[[Qml, Server], int], own_process: bool
) -> int:
    """Make an app's server and ``run`` it; begin again when a source file changes. What cannot be
    made is said, and the next change waited for. The exit code."""
    if own_process and not Beginning.possible and BELOW not in os.environ:
        return _from_above()
    beginning = Beginning() if own_process else None
    # A second edit in the second of the first would be taken for what the first had compiled to.
    sys.dont_write_bytecode = True
    watch = Watch(Sources(Path.cwd()))
    code = _once(make, run, watch)
    if code == codes.RETIRED and beginning is not None:
        beginning.ask_for()
    return code


def _once(make: Callable[[], Made], run: Callable[[Qml, Server], int], watch: Watch) -> int:
    try:
        app, server = make()
    except QmlError as error:
        complain(str(error))
        watch.sources.add(_files_of(error))
        log.info("waits for a change")
        watch.wait()
        return codes.RETIRED
    with app:
        watch.start(server.ask_to_stop)
        try:
            code = run(app, server)
        finally:
            watch.stop()
    return codes.RETIRED if watch.changed.is_set() and not server.signalled else code


def _files_of(error: BaseException | None) -> Iterator[str]:
    """The files that an error came by."""
    while error is not None:
        yield from (step.filename for step in traceback.extract_tb(error.__traceback__))
        if isinstance(error, SyntaxError) and error.filename:
            yield error.filename
        error = error.__cause__ or error.__context__


def _from_above() -> int:
    """Where no program can take its own place, this process stays above, and starts each one."""
    command = [sys.executable, *sys.orig_argv[1:]]
    # Ctrl-C goes to both, and the one below decides what comes of it.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        while True:
            code = subprocess.call(command, env={**os.environ, BELOW: "1"})
            if code != codes.RETIRED:
                return code
    finally:
        signal.signal(signal.SIGINT, before)

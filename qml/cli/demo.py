"""``qml demo``: a job for every file below a folder, its SHA-256, and which files are the same."""

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from ..values.config import SqliteConfig
from ..values.errors import ConfigurationError
from ..values.retention import Retention
from ..values.retry import RetryPolicy
from ..values.texts import as_json, plain, say
from ..work.app import Qml
from ..work.progress import Progress
from ..work.server import Server
from ..work.signals import Signals
from . import codes, demo_tasks, settings, stores
from .demo_files import Found, Trouble, files_below, own_files
from .demo_report import Report
from .demo_work import BATCH, Work
from .figures import counted
from .logs import warnings_of_qml
from .settings import Setting

LEASE = 5.0
"""Seconds: how soon a run goes on with the jobs of one that was killed."""

GRACE = 60.0

PAUSE = 0.02

LOOK_AGAIN = 0.3
"""Seconds after which the wait looks for what has ended, reason or not."""

KEPT = Retention(succeeded=366 * 86_400.0, deleted=86_400.0, failed=366 * 86_400.0)
"""Results are what makes the next run quick."""

SETTINGS = (
    Setting("db", "QML_DB", settings.text, "qml-demo.db", "the SQLite file (qml-demo.db)", "FILE"),
    Setting("threads", "QML_THREADS", settings.number(1), 8, "jobs to run at once (8)", "N"),
    stores.JSON,
)

ABOUT = """\
Hash every file below FOLDER, one job a file, and show which are duplicates.

Run it again: only files that are new or changed (by size and time) are hashed.
Stop it, or kill it, and run it again: it goes on where it was, and nothing is
lost. Links are not followed."""


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    parser = commands.add_parser(
        "demo",
        help="hash every file of a folder, and find duplicates",
        description=ABOUT,
    )
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", default=".", help="(the current one)"
    )
    settings.add(parser, SETTINGS)
    parser.set_defaults(command=run)


@attrs.define
class Demo:
    """One run of the demo. ``files``: all that were listed; ``work``: their jobs."""

    folder: str
    database: Path
    server: Server
    work: Work
    progress: Progress
    files: list[Found] = attrs.field(factory=list)
    troubles: list[Trouble] = attrs.field(factory=list)
    began: float = attrs.field(factory=time.monotonic)
    ended: float | None = None

    def list_and_enqueue(self, signals: Signals) -> bool:
        """List every file, and enqueue those that need it, while the server is at work. False =
        a signal came before the end."""
        own = {f"{self.database}{end}" for end in ("", "-wal", "-shm", "-journal")}
        batch: list[Found] = []
        for found in files_below(self.folder, own_files(self.database), own):
            if isinstance(found, Trouble):
                self.troubles.append(found)
                continue
            batch.append(found)
            if len(batch) >= BATCH:
                self._add(batch)
                batch = []
                if signals.count:
                    return False
        self._add(batch)
        return True

    def _add(self, batch: list[Found]) -> None:
        self.files += batch
        self.work.add(batch)
        hashed = self.server.finisher.recorded
        self.progress.show(f"{len(self.files):,} files listed, {hashed:,} hashed")

    def wait(self, signals: Signals) -> None:
        """Wait until the job of every file has ended, those that a killed run held as well."""
        seen, looked_at = 0, self.began
        while self.work.pending and not signals.count:
            time.sleep(PAUSE)
            news = self.server.finisher.recorded - seen
            at_rest = news > 0 and not len(self.server.runs)
            # A look has its cost, so it needs a reason.
            if news >= BATCH or at_rest or time.monotonic() - looked_at >= LOOK_AGAIN:
                seen, looked_at = self.server.finisher.recorded, time.monotonic()
                ended = self.work.collect()
                self.progress.show(self._how_far(stands_still=not ended))

    def _how_far(self, stands_still: bool) -> str:
        total, left = len(self.files), len(self.work.pending)
        done = f"{total - left:,} of {total:,} files"
        if stands_still and self.work.unfinished and not len(self.server.runs):
            return f"{done}; {counted(left, 'job')} of an earlier run, if killed, come back soon"
        ran = self.work.new + self.work.again + self.work.unfinished - left
        return f"{done}, {ran / self.seconds():,.0f} jobs/s"

    def seconds(self) -> float:
        """From its beginning to its end, or until now."""
        return max(1e-3, (self.ended or time.monotonic()) - self.began)

    def report(self) -> Report:
        """The outcome so far."""
        return Report.of(
            self.folder, str(self.database), self.seconds(), self.work, self.files, self.troubles
        )


def run(arguments: argparse.Namespace) -> int:
    """Hash, and print what was found; the exit code."""
    folder = os.path.realpath(arguments.folder)
    if not os.path.isdir(folder):
        raise ConfigurationError(f"{arguments.folder!r} is no folder; give one with files in it")
    # What a power loss takes is hashed again; what a kill takes is nothing either way.
    config = SqliteConfig(Path(arguments.db), durability="normal")
    progress = Progress()
    retry = RetryPolicy(max_retries=2, base=0.0)
    with warnings_of_qml(_teller(progress)), Qml(config, retry=retry, retention=KEPT) as app:
        app.task(name=demo_tasks.METHOD)(demo_tasks.sha256)
        server = app.server(arguments.threads, [demo_tasks.QUEUE], LEASE, grace_seconds=GRACE)
        demo = Demo(folder, config.path, server, Work(app.storage), progress)
        with demo_tasks.leaving_out(own_files(config.path)):
            stopped = _at_work(demo)
        report = demo.report()
    progress.clear()
    if stopped:
        _say_how_to_go_on(report, arguments)
        return codes.LEFT_OVER
    if arguments.json:
        say(as_json(report.to_json()))
    else:
        for line in report.lines():
            say(line)
    return codes.FAILED if report.troubles else codes.DONE


def _teller(progress: Progress) -> Callable[[str], None]:
    """Of qml's warnings those that matter here: that jobs come back is expected."""

    def tell(warning: str) -> None:
        if not warning.startswith(("rescued job", "SQLite ")):
            progress.say(warning)

    return tell


def _at_work(demo: Demo) -> bool:
    """Do the work; True when a signal came before its end. The first lets running jobs end, from
    then on another one is Python's own: the jobs it leaves come back to the next run."""
    try:
        with Signals() as signals:
            demo.server.start()
            complete = demo.list_and_enqueue(signals)
            demo.wait(signals)
            demo.ended = time.monotonic()
        if signals.count:
            demo.progress.show("stopping: the files under way are finished first", now=True)
    finally:
        demo.server.stop()
        demo.progress.clear()
    demo.work.collect()
    return not complete or bool(demo.work.pending)


def _say_how_to_go_on(report: Report, arguments: argparse.Namespace) -> None:
    again = ["qml", "demo", arguments.folder, "--db", arguments.db]
    done = len(report.sums)
    say(
        f"stopped: {done:,} files are done and kept. To go on where it was, run again:",
        to=sys.stderr,
    )
    say(f"  {plain(shlex.join(again))}", to=sys.stderr)

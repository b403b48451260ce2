"""``qml copy``: a whole queue from one store to another."""

import argparse
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import attrs

from ..storage.comparing import Difference, Kind
from ..storage.copying import MOST_DIFFERENCES, Copied, CopyRefused, copy
from ..storage.urls import parse_url
from ..values.config import SqliteConfig
from ..values.errors import ConfigurationError, StorageError
from ..values.states import StateKind
from ..values.texts import as_json, complain, plain, say, table
from ..work.interrupts import Interrupts
from ..work.progress import Progress
from . import codes, settings, stores
from .figures import counted
from .logs import warnings_of_qml

SHOWN = 20
"""Differences that people get to see; JSON has all that were looked for."""

ABOUT = """\
Copy all jobs of one store to another, as they are: from SQLite to PostgreSQL,
say. Stop every server, and whatever enqueues, first.

FROM is only read. TO is made if it is missing. It has to be empty, or to hold
the beginning of this copy: stop it, or kill it, and run it again, and it goes
on where it was. At the end both stores are counted and compared, job by job."""

NEXT = """\
Next: have servers, and whatever enqueues, use TO; and nothing use FROM any
more, since a server that still ran there would run these jobs a second time.
FROM is as it was. Keep it until you are sure, then remove it."""

AGAIN = """\
Not complete: jobs came into FROM meanwhile. Stop whatever enqueues there, then
run the same command again: it adds what is new."""

ANEW = """\
Not complete: something changed one of the stores meanwhile. Stop every server,
and whatever enqueues; then copy into an empty store: another file, schema_name
or key_prefix. FROM is as it was."""


def add_to(commands: Any) -> None:
    """Add the command to ``qml``."""
    about = "copy a whole queue to another store"
    parser = commands.add_parser("copy", help=about, description=ABOUT)
    parser.add_argument("source", metavar="FROM", help="URL of the store there is")
    parser.add_argument("target", metavar="TO", help="URL of the store to copy to")
    settings.add(parser, (stores.JSON,))
    parser.set_defaults(command=run)


@attrs.define
class HowFar:
    """How far the copy is, on one line of stderr; between two pages it heeds Ctrl-C."""

    line: Progress = attrs.field(factory=Progress)
    interrupts: Interrupts = attrs.field(factory=Interrupts)
    stored: int = 0
    total: int = 0
    _what: str = ""
    _began: tuple[float, int] = (0.0, 0)

    def tell(self, what: str, done: int, total: int) -> None:
        """``done`` of ``total`` jobs are dealt with."""
        total = max(done, total)  # some were added meanwhile
        if what != self._what:
            self._what, self._began = what, (time.monotonic(), done)
        if what != "comparing":
            self.stored, self.total = done, total
        seconds, since = time.monotonic() - self._began[0], done - self._began[1]
        rate = f", {since / seconds:,.0f} jobs/s" if since and seconds else ""
        self.line.show(f"{what}: {done:,} of {total:,} jobs{rate}")
        self.interrupts.look()

    def to_go_on(self) -> str:
        """What is there so far, and what to do; nothing before it began."""
        if not self.total:
            return ""
        kept = f"{self.stored:,} of {self.total:,} jobs are in TO"
        return f"; {kept}, and the same command goes on from there"


def run(arguments: argparse.Namespace) -> int:
    """Copy, and print what came of it; the exit code."""
    how_far = HowFar()
    began = time.monotonic()
    try:
        copied, names = _copied(arguments, how_far)
    except CopyRefused as error:
        complain(str(error))
        return codes.FAILED
    except StorageError as error:  # away, or full
        raise type(error)(f"{error}{how_far.to_go_on()}") from error
    except KeyboardInterrupt:
        complain(f"interrupted{how_far.to_go_on()}")
        return codes.INTERRUPTED
    seconds = time.monotonic() - began
    if arguments.json:
        say(as_json(_as_dict(copied, names, seconds)))
    else:
        for line in shown(copied, names, seconds):
            say(line)
    return codes.DONE if copied.complete else codes.FAILED


def _copied(arguments: argparse.Namespace, how_far: HowFar) -> tuple[Copied, tuple[str, str]]:
    _refuse_one_file(arguments.source, arguments.target)
    with (
        warnings_of_qml(lambda _: None),
        stores.open_existing(arguments.source) as source,
        stores.open_or_make(arguments.target) as target,
    ):
        names = source.driver.describe(), target.driver.describe()
        try:
            with how_far.interrupts:
                return copy(source, target, how_far.tell), names
        finally:
            how_far.line.clear()


def _refuse_one_file(*urls: str) -> None:
    """Two hard links to one SQLite file have two write-ahead logs, so it must not even be opened
    by the other. (Any other store under two names is found out by ``copy``.)"""
    files = [config.path for config in map(parse_url, urls) if isinstance(config, SqliteConfig)]
    with contextlib.suppress(OSError):  # one that is not there, or out of reach, is found out later
        if len(files) == 2 and files[0].samefile(files[1]):
            raise ConfigurationError(f"FROM and TO are the same file, {files[0]}")


def _as_dict(copied: Copied, names: tuple[str, str], seconds: float) -> dict[str, Any]:
    found = [{**one._asdict(), "kind": one.kind.name.lower()} for one in copied.differences]
    return {
        "from": names[0],
        "to": names[1],
        "complete": copied.complete,
        "copied": copied.copied,
        "found": copied.found,
        "records": copied.records,
        "seconds": round(seconds, 3),
        "counts": {"from": _counts(copied.source_counts), "to": _counts(copied.target_counts)},
        "differences": found,
    }


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    """By state, every known one first; what damage made of a state is counted, too."""
    return {kind.value: counts.get(kind.value, 0) for kind in StateKind} | dict(counts)


def shown(copied: Copied, names: tuple[str, str], seconds: float) -> list[str]:
    """What came of it, in lines for people."""
    lines = [f"FROM  {plain(names[0])}", f"TO    {plain(names[1])}", ""]
    ours, theirs = _counts(copied.source_counts), _counts(copied.target_counts)
    rows = [(state, ours.get(state, 0), theirs.get(state, 0)) for state in ours | theirs]
    rows.append(("all", sum(ours.values()), sum(theirs.values())))
    figures = [(state, f"{mine:,}", f"{other:,}") for state, mine, other in rows]
    lines += table(("STATE", "FROM", "TO"), figures, right=("FROM", "TO"))
    lines += ["", *_what_was_done(copied, seconds), ""]
    if copied.complete:
        lost = theirs[StateKind.PROCESSING]
        return lines + _about_lost(lost) + NEXT.splitlines()
    came = all(one.kind is Kind.ONLY_FROM for one in copied.differences)
    return lines + _differences(copied.differences) + (AGAIN if came else ANEW).splitlines()


def _what_was_done(copied: Copied, seconds: float) -> list[str]:
    done = f"{counted(copied.copied, 'job')} copied"
    if copied.records:
        done += f", and {counted(copied.records, 'record')}"
    if copied.found:
        done += f"; {copied.found:,} were there already"
    if copied.complete:
        done += "; all compared, all the same"
    return [f"{done}, in {seconds:.1f} s."]


def _about_lost(lost: int) -> list[str]:
    if not lost:
        return []
    were = "was lost by its worker" if lost == 1 else "were lost by their workers"
    them = "it" if lost == 1 else "them"
    return [f"{counted(lost, 'job')} in processing {were}; TO's first server rescues {them}.", ""]


def _differences(found: tuple[Difference, ...]) -> list[str]:
    lines = [plain(one) for one in found[:SHOWN]]
    if len(found) > SHOWN:
        most = " or more" if len(found) >= MOST_DIFFERENCES else ""
        lines.append(f"... {len(found):,}{most} differences in all")
    return [*lines, ""]

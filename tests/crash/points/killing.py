"""One kill after the other: a process that dies at a point, and one that comes after it."""

import logging
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import attrs

from ..ledger import Ledger, Note, read_all
from . import victim
from .heir import Heir
from .migrations import NEWEST
from .stores import Stores
from .story import expectations
from .world import ManualClock, Real

LIMIT = 60
"""Seconds that a process may take for what takes it some hundredths; then something hangs."""


@attrs.define
class Tally:
    """What came of all kills. Of those within a call: whether all of it was there (``whole``), a
    part as the oracle has it, nothing, or a call that changes nothing. ``in_flight``: with the
    kernel at the kill, and of these what was ``carried_out``. ``points``: those of the story.
    ``faults``: the promise, and how it was broken at which point; ``numbers``: of these points.
    """

    kills: int = 0
    between: int = 0
    whole: int = 0
    partly: int = 0
    nothing: int = 0
    alike: int = 0
    in_flight: int = 0
    carried_out: int = 0
    jobs: int = 0
    points: list[str] = attrs.field(factory=list)
    opened: list[float] = attrs.field(factory=list)
    faults: list[tuple[str, str]] = attrs.field(factory=list)
    numbers: list[int] = attrs.field(factory=list)

    def count(self, notes: dict[str, Note]) -> None:
        """Add one kill, by what the two processes wrote down."""
        self.kills += 1
        if "opened" in notes:
            self.opened.append(notes["opened"]["seconds"])
        if "worked" in notes:
            self.jobs += notes["worked"]["jobs"]
        if "kept" in notes:
            kept, name = notes["kept"], notes["point"]["name"]
            self._count_kept(kept["cut_short"], kept["parts"], kept["of"] - 1, name)

    def _count_kept(self, cut_short: bool, parts: list[int], last: int, name: str) -> None:
        """``parts``: how many parts of the call the store may have seen, of ``last`` in all."""
        if not cut_short:
            self.between += 1
        elif parts:
            self.nothing += parts == [0]
            self.alike += {0, last} <= {*parts}
            self.whole += parts == [last]
            self.partly += 0 < parts[0] < last
            if name.endswith("in flight") and not {0, last} <= {*parts}:
                self.in_flight += 1
                self.carried_out += parts[0] > 0


class Killing:
    """Kills in stores of one kind. ``folder``: where ledgers are."""

    def __init__(self, kind: str, stores: Stores, folder: Path) -> None:
        self._kind = kind
        self._stores = stores
        self._folder = folder
        self._expected = expectations()
        self._structure = self._whole_structure()
        self.tally = Tally()

    def _whole_structure(self) -> list[str]:
        """What the schema has to be, as one who opens a new store makes it."""
        config = self._stores.config("whole")

        def make() -> None:
            world = Real(config, ManualClock())
            world.open(NEWEST)
            world.close()

        folder = self._folder / "structure"
        folder.mkdir()
        if _done(folder, make):
            raise RuntimeError((folder / "printed").read_text())
        return self._stores.structure(config)

    def kill(self, number: int) -> None:
        """Kill at this point, look, and count; 0 = at none, which tells how many there are."""
        folder = self._folder / f"kill-{number}"
        folder.mkdir()
        config = self._stores.config(str(number))
        died = _done(
            folder,
            lambda: victim.tell(self._kind, config, self._expected, Ledger(folder, 1), number),
        )
        notes = read_all(folder)
        sessions = {note["number"] for note in notes if note["kind"] == "session"}
        came_after = _done(folder, lambda: self._look(folder, config, notes, sessions))
        notes = read_all(folder)
        self._judge(number, notes, died, came_after, (folder / "printed").read_text())
        self._stores.remove(config)
        shutil.rmtree(folder)

    def _look(self, folder: Path, config: object, notes: list[Note], sessions: set[int]) -> None:
        """In a process of its own."""
        ledger, begun = Ledger(folder, 2), time.monotonic()
        self._stores.settle(sessions)
        heir = Heir(self._stores, config, self._expected, notes, ledger, begun)
        for promise, told in heir.faults(self._structure):
            ledger.note("fault", promise=promise, told=told)

    def _judge(
        self, number: int, notes: list[Note], died: int, came_after: int, printed: str
    ) -> None:
        kinds = {note["kind"]: note for note in notes}
        name = kinds["point"]["name"] if "point" in kinds else "the end"
        if "point" in kinds:
            self.tally.count(kinds)
        if not number and "end" in kinds:
            self.tally.points = kinds["end"]["points"]
        faults = [(note["promise"], note["told"]) for note in notes if note["kind"] == "fault"]
        if died != (-signal.SIGKILL if number else 0):
            faults.append(("the story goes to the point", f"it ended with {died}"))
        if came_after:
            faults.append(("the next process can work", f"it ended with {came_after}"))
        if printed:
            faults.append(("nothing is printed", printed.strip()))
        self.tally.faults += [(rule, f"point {number}, {name}: {told}") for rule, told in faults]
        self.tally.numbers += [number] if faults else []


def _done(folder: Path, work: Callable[[], None]) -> int:
    """Do ``work`` in a forked process; how that ended."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)
    status = 1
    try:
        signal.alarm(LIMIT)  # its default is to end the process, whatever that is doing
        file = os.open(folder / "printed", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)
        logging.basicConfig(level=logging.ERROR, force=True)
        logging.getLogger("qml.jobs").disabled = True  # some fail on purpose
        work()
        status = 0
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)

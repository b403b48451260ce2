"""The files of a history: each process appends to one of its own, one write per line.

A kernel may end a killed process's write between two pages, so a last line without an end is left
out: the call that it would have told of stays without an answer. Times are microseconds: ``at`` by
the steady counter, which reads alike in all processes of a machine, ``now`` by the storage.
"""

import contextlib
import itertools
import json
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...values.clock import Clock, steady_micros

ENDING = ".history"

AT_ONCE = 200
"""Microseconds in which both clocks have been read, so that they show the same moment."""

TRIES = 50

Note = dict[str, Any]

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND


class Call(NamedTuple):
    """One call of an operation, from its invocation to its reply.

    ``began``, ``ended``: by the steady counter; ``early``, ``late``: the same by the storage's
    clock. ``reply`` None, with no end: the process died in it. ``process``: the file's name.
    """

    process: str
    number: int
    verb: str
    began: int
    early: int
    ended: int | None
    late: int | None
    given: Any
    reply: Note | None


class Journal:
    """The file of this process; after a fork the child opens another. Safe between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._file: int | None = None
        _journals.add(self)

    def begin(self, clock: Clock, verb: str, given: Any) -> int:
        """Note an invocation; its number."""
        number = next(self._numbers)
        self._write(clock, {"call": number, "verb": verb, "given": given})
        return number

    def end(self, clock: Clock, number: int, reply: Note) -> None:
        """Note the reply to the invocation with this number."""
        self._write(clock, {"end": number, "reply": reply})

    def _write(self, clock: Clock, note: Note) -> None:
        at, now = _both(clock)
        line = json.dumps({"at": at, "now": now, **note}, separators=(",", ":"), default=repr)
        with self._lock:
            if self._file is None:
                self._file = self._open()
        os.write(self._file, f"{line}\n".encode())

    def _open(self) -> int:
        """A pid may come again, and a process may keep a history in two objects."""
        pid = os.getpid()
        for name in itertools.chain([f"{pid}"], (f"{pid}-{n}" for n in itertools.count(2))):
            with contextlib.suppress(FileExistsError):
                return os.open(self.folder / f"{name}{ENDING}", FLAGS, 0o644)
        raise AssertionError  # there is no last number

    def renew(self) -> None:
        """A forked child writes to a file of its own; a thread that it lacks may hold the lock."""
        self._lock = threading.Lock()
        self.close()

    def close(self) -> None:
        """Let go of the file; what is noted later goes to another."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.close()


_journals: "weakref.WeakSet[Journal]" = weakref.WeakSet()


def _renew_all() -> None:
    for journal in list(_journals):
        journal.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


def _both(clock: Clock) -> tuple[int, int]:
    """The steady counter and the storage's clock at one moment; a process that was stopped between
    the two looks again."""
    for _ in range(TRIES):
        before, now = steady_micros(), clock.micros()
        if steady_micros() - before < AT_ONCE:
            break
    return before, now


def calls(folder: Path) -> Iterator[Call]:
    """Every call that was noted, those of one process in the order of their invocations."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        yield from _calls_of(path)


def _calls_of(path: Path) -> list[Call]:
    begun: list[Note] = []
    ended: dict[int, Note] = {}
    for note in _notes(path):
        if "call" in note:
            begun.append(note)
        else:
            ended[note["end"]] = note
    return [_call(path.stem, note, ended.get(note["call"])) for note in begun]


def _call(process: str, note: Note, end: Note | None) -> Call:
    return Call(
        process=process,
        number=note["call"],
        verb=note["verb"],
        began=note["at"],
        early=note["now"],
        ended=None if end is None else end["at"],
        late=None if end is None else end["now"],
        given=note["given"],
        reply=None if end is None else end["reply"],
    )


def _notes(path: Path) -> Iterator[Note]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)

"""The states that a store had: one after each commit, read from what was written to its log.

A log is a header of 32 bytes and frames: 24 bytes, then a page. The frame that ends a commit tells
the size of the database in pages; a page of the database is the one in its last frame up to there.
See https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from .trace import Created, Event, Wrote

HEADER, FRAME = 32, 24


class Commit(NamedTuple):
    """``event``: the number of the write that ended it; ``digest``: of the database after it."""

    event: int
    thread: int
    digest: bytes


def digest(database: bytes) -> bytes:
    """Of the pages that the database counts as its own; what follows them is none of it."""
    pages, size = _number(database, 28), _number(database[:18], 16, ">H")
    return hashlib.blake2b(database[: pages * (65_536 if size == 1 else size)]).digest()


def _number(content: bytes | bytearray, offset: int, form: str = ">I") -> int:
    return int(struct.unpack_from(form, content, offset)[0])


def commits(events: Sequence[Event], name: str, base: bytes | None = None) -> list[Commit]:
    """The commits to the database file of this name. ``base``: the database before, recovered;
    None = there was none."""
    files: dict[int, str] = {}
    reader = Reader(base)
    found = []
    for number, (_, thread, act) in enumerate(events):
        if isinstance(act, Created):
            files[act.file] = act.name
            if act.name == f"{name}-wal":
                reader.begin_log(act.content)
        elif isinstance(act, Wrote) and files[act.file] == name:
            reader.write_database(act)
        elif isinstance(act, Wrote) and files[act.file] == f"{name}-wal" and reader.write_log(act):
            found.append(Commit(number, thread, digest(reader.database)))
    return found


class Reader:
    """The database as its log shows it."""

    def __init__(self, base: bytes | None) -> None:
        self.database = bytearray(base or b"")
        self._by_log = base is not None  # what is written to its file comes from the log
        self.begin_log(b"")

    def begin_log(self, content: bytes) -> None:
        """There is a new file for the log, or one with what a power loss left."""
        self._log = bytearray(content)
        self._read: int | None = None  # where the first frame begins that is in no commit yet

    def write_database(self, act: Wrote) -> None:
        """Before there is a log, what is written to the file counts."""
        if not self._by_log:
            _put(self.database, act)

    def write_log(self, act: Wrote) -> bool:
        """True: this write ended a commit."""
        self._by_log = True
        _put(self._log, act)
        end = act.offset + len(act.data)
        if act.offset == 0:
            self._read = HEADER  # the header: the log begins anew
        elif self._read is None:
            self._read = act.offset  # frames before it were recovered
        frame = FRAME + _number(self._log, 8)
        if end <= self._read or (end - HEADER) % frame:
            return False
        pages = _number(self._log, end - frame + 4)
        if pages:
            self._commit(end, frame, pages)
        return pages > 0

    def _commit(self, end: int, frame: int, pages: int) -> None:
        assert self._read is not None
        size = frame - FRAME
        for start in range(self._read, end, frame):
            page = self._log[start + FRAME : start + frame]
            _put(self.database, Wrote(0, (_number(self._log, start) - 1) * size, page))
        del self.database[pages * size :]
        self._read = end


def _put(content: bytearray, act: Wrote) -> None:
    content.extend(bytes(max(0, act.offset - len(content))))
    content[act.offset : act.offset + len(act.data)] = act.data

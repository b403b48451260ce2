"""A VFS for SQLite that notes what is done to the files of one folder; made with ctypes alone.

It is a copy of SQLite's own VFS and becomes the default. Its ``xOpen`` calls the original, and
then gives the file a copy of its table of methods in which write, truncate, sync and close are
ours: each notes the call and passes it on. Files, locks and shared memory stay SQLite's own.

A note and its act are made under the lock of the trace, so that notes and acts have one order. Only
a sync lets others overtake it: there is one note at its begin and one at its end. SQLite syncs the
folder inside ``xSync`` (of a new log or journal) and inside ``xDelete``; that is seen at the system
call "openDirectory", for which SQLite has a hook.

The methods are of version 2, so nothing is written through mapped memory. The ``-shm`` file is not
noted: a power loss clears it.
"""

import ctypes
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from . import interface
from .interface import OK, Methods, Vfs, address
from .trace import DIRECTORY, Created, Deleted, Synced, Syncing, Trace, Truncated, Wrote

INSTALLED: "list[Recorder]" = []
"""SQLite knows the addresses of their callbacks, so they stay."""


class Table(NamedTuple):
    """A table of methods: ours, and what it replaces."""

    ours: Methods
    write: Callable[..., int]
    truncate: Callable[..., int]
    sync: Callable[..., int]
    close: Callable[..., int]


class File(NamedTuple):
    number: int
    name: str
    table: Table


class Recorder:
    """Notes in ``trace`` what SQLite does in ``folder``. ``lies`` says of a name (the folder's own
    is "") whether its syncs are acknowledged and not done. It stays until the process ends."""

    def __init__(self, folder: Path, trace: Trace, lies: Callable[[str], bool]) -> None:
        self._folder = os.path.realpath(folder)
        self._trace = trace
        self._lies = lies
        self._numbers = itertools.count(DIRECTORY + 1)
        self._named: dict[str, int] = {}  # files that have a name now
        self._open: dict[int, File] = {}  # by the address of SQLite's record of an open file
        self._tables: dict[int, Table] = {}  # by the address of the original
        self._mine = threading.local()  # .directories: syncs of the folder begun in this call
        for path in sorted(Path(self._folder).iterdir()):
            self._create(path.name, path.read_bytes())  # nobody has it open yet
        trace.add(Synced(trace.add(Syncing(DIRECTORY, 0))))

    def install(self, sqlite: ctypes.CDLL) -> None:
        """Have every connection noted that is opened from now on."""
        found = sqlite.sqlite3_vfs_find(None)
        self._vfs, self._vfs_address = found.contents, address(found)
        assert self._vfs.iVersion >= 3, "this VFS tells of no sync of a folder"
        self._callbacks = {
            "xOpen": interface.Open(self._on_open),
            "xDelete": interface.Delete(self._on_delete),
            "xWrite": interface.Write(self._on_write),
            "xTruncate": interface.Truncate(self._on_truncate),
            "xSync": interface.Sync(self._on_sync),
            "xClose": interface.Close(self._on_close),
            "openDirectory": interface.OpenDirectory(self._on_open_directory),
        }
        self._original_open = interface.Open(self._vfs.xOpen)
        self._original_delete = interface.Delete(self._vfs.xDelete)
        self._hook_directories()
        self._copy = Vfs.from_buffer_copy(self._vfs)
        self._copy.zName = b"recorder"
        for name in ("xOpen", "xDelete"):
            setattr(self._copy, name, address(self._callbacks[name]))
        INSTALLED.append(self)
        assert sqlite.sqlite3_vfs_register(ctypes.byref(self._copy), 1) == OK

    def _hook_directories(self) -> None:
        get = interface.GetSystemCall(self._vfs.xGetSystemCall)
        put = interface.SetSystemCall(self._vfs.xSetSystemCall)
        found = get(self._vfs_address, b"openDirectory")
        self._original_open_directory = interface.OpenDirectory(found)
        ours = address(self._callbacks["openDirectory"])
        assert put(self._vfs_address, b"openDirectory", ours) == OK

    # -- the folder ----------------------------------------------------------------------------

    def _create(self, name: str, content: bytes = b"") -> None:
        self._named[name] = next(self._numbers)
        self._trace.add(Created(name, self._named[name], content))

    def _name(self, path: int | None) -> str | None:
        """The name in the folder; None for what lies elsewhere or has no name."""
        if not path:
            return None
        folder, name = os.path.split(os.fsdecode(ctypes.string_at(path)))
        return name if folder == self._folder else None

    def _on_open(self, _: int, path: int, file: int, flags: int, out: int) -> int:
        name = self._name(path)
        with self._trace.lock:
            code = self._original_open(self._vfs_address, path, file, flags, out)
            if code == OK and name is not None:
                if name not in self._named:
                    self._create(name)
                self._open[file] = File(self._named[name], name, self._taken_over(file))
            return code

    def _taken_over(self, file: int) -> Table:
        """The first word of SQLite's record of an open file is the address of its methods."""
        place = ctypes.c_void_p.from_address(file)
        if place.value not in self._tables:
            self._tables[place.value or 0] = self._table(Methods.from_address(place.value or 0))
        table = self._tables[place.value or 0]
        place.value = ctypes.addressof(table.ours)
        return table

    def _table(self, original: Methods) -> Table:
        assert original.iVersion >= 2, "without shared memory there is no write-ahead log"
        ours = Methods.from_buffer_copy(original)
        ours.iVersion = 2
        for name in ("xWrite", "xTruncate", "xSync", "xClose"):
            setattr(ours, name, address(self._callbacks[name]))
        return Table(
            ours,
            interface.Write(original.xWrite),
            interface.Truncate(original.xTruncate),
            interface.Sync(original.xSync),
            interface.Close(original.xClose),
        )

    def _on_delete(self, _: int, path: int, sync: int) -> int:
        name = self._name(path)
        with self._trace.lock:
            if name is not None and self._named.pop(name, None) is not None:
                self._trace.add(Deleted(name))
            return self._seeing_directories(
                lambda: self._original_delete(self._vfs_address, path, sync)
            )

    def _on_open_directory(self, path: int, out: int) -> int:
        code = self._original_open_directory(path, out)
        if code == OK and hasattr(self._mine, "directories"):
            self._mine.directories.append(self._begin_sync(DIRECTORY, 0))
        return code

    def _seeing_directories(self, act: Callable[[], int]) -> int:
        """``act``, and then note the end of the syncs of the folder that it made."""
        self._mine.directories = []
        code = act()
        for sync in self._mine.directories:
            self._end_sync(sync, "", code)
        del self._mine.directories
        return code

    # -- open files ----------------------------------------------------------------------------

    def _on_write(self, file: int, data: int, length: int, offset: int) -> int:
        number, _, table = self._open[file]
        with self._trace.lock:
            self._trace.add(Wrote(number, offset, ctypes.string_at(data, length)))
            return table.write(file, data, length, offset)

    def _on_truncate(self, file: int, size: int) -> int:
        number, _, table = self._open[file]
        with self._trace.lock:
            self._trace.add(Truncated(number, size))
            return table.truncate(file, size)

    def _on_sync(self, file: int, flags: int) -> int:
        number, name, table = self._open[file]
        sync = self._begin_sync(number, flags)
        code = self._seeing_directories(lambda: table.sync(file, flags))
        self._end_sync(sync, name, code)
        return code

    def _begin_sync(self, file: int, flags: int) -> int:
        with self._trace.lock:
            return self._trace.add(Syncing(file, flags))

    def _end_sync(self, sync: int, name: str, code: int) -> None:
        if code == OK and not self._lies(name):
            self._trace.add(Synced(sync))

    def _on_close(self, file: int) -> int:
        with self._trace.lock:  # another file may get the address as soon as it is free
            return self._open.pop(file).table.close(file)

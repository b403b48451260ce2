"""The source files of an app, those imported and those below its folder: which have changed."""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

MOST = 20_000
"""Entries of a folder that are looked at; in a larger one only what is imported is watched."""

_PASSED_OVER = {"__pycache__", "node_modules", "site-packages", "dist-packages"}

Stamp = tuple[int, int]


class Sources:
    """Which source files have changed since the last look; what is there at first is the start.

    Below ``folder`` a file that is new or gone counts, too; of imported files elsewhere only those
    whose time or size changes. Libraries are left out: the standard library, and
    whatever lies in a ``site-packages``. So are hidden names and virtual environments.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.too_large = False
        self._modules: dict[str, str | None] = {}
        self._others: set[str] = set()
        self._seen: dict[str, Stamp] = {}
        self._seen = self._stamps()

    def add(self, files: Iterable[str]) -> None:
        """Watch these as well, whoever imports them; what has changed besides is told of all the
        same."""
        for file in filter(_is_own, files):
            self._others.add(file)
            if (stamp := _stamp(file)) is not None:
                self._seen.setdefault(file, stamp)

    def changed(self) -> list[str]:
        """What has changed since the last call, sorted."""
        large = self.too_large
        before, self._seen = self._seen, self._stamps()
        if self.too_large > large:  # all others are left alone from now on, and have not changed
            return []
        paths = before.keys() | self._seen.keys()
        return sorted(
            path
            for path in paths
            if before.get(path) != self._seen.get(path) and self._counts(path, path in before)
        )

    def _counts(self, path: str, known: bool) -> bool:
        return known or (path.startswith(self.folder + os.sep) and not self.too_large)

    def _stamps(self) -> dict[str, Stamp]:
        below = {} if self.too_large else dict(self._below())
        found = {} if self.too_large else below
        for path in (*self._imported(), *self._others):
            if path not in found:
                stamp = _stamp(path)
                if stamp is not None:
                    found[path] = stamp
        return found

    def _imported(self) -> Iterator[str]:
        for name, module in list(sys.modules.items()):
            if name not in self._modules:
                file = getattr(module, "__file__", None)
                own = isinstance(file, str) and _is_own(file)
                self._modules[name] = os.path.abspath(file) if own and file else None
        return (file for file in self._modules.values() if file is not None)

    def _below(self) -> Iterator[tuple[str, Stamp]]:
        left, folders = MOST, [self.folder]
        while folders:
            for entry in _entries(folders.pop()):
                left -= 1
                if entry.name.startswith(".") or entry.name in _PASSED_OVER:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                        folders.append(entry.path)
                elif entry.name.endswith(".py"):
                    stamp = _stamp(entry.path)
                    if stamp is not None:
                        yield entry.path, stamp
            if left < 0:
                self.too_large = True
                return


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # gone meanwhile, or not ours to read
        return []


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _is_own(file: str) -> bool:
    """Whether it is source code, and no library's."""
    if not file.endswith(".py") or file.startswith("<"):
        return False
    path = os.path.abspath(file)
    return not path.startswith(libraries()) and _PASSED_OVER.isdisjoint(path.split(os.sep))


def libraries() -> tuple[str, ...]:
    """The folders of the standard library, and of what is installed."""
    paths = sysconfig.get_paths()
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(paths[kind] + os.sep for kind in kinds if kind in paths)

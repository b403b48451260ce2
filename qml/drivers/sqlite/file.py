"""The file at a path: whether it can be opened, and whether it is still the one that was.

One that was deleted, or that another has taken the place of, can be read and written by whoever has
it open, without an error; nobody else will ever see it.
"""

import os
import stat
from pathlib import Path

from ...values.errors import StorageUnavailable


class File:
    """``name``: for messages. Nothing is opened here: that would drop SQLite's locks."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._text = str(path)  # looked at before each write
        self._name = name
        self._opened: tuple[int, int] | None = None

    def look_before(self, create: bool) -> None:
        """StorageUnavailable, where SQLite would say only that it cannot open the file, or would
        make another in its place. ``create``: whether it may be missing."""
        self.check()
        folder = self._path.parent
        try:
            if not folder.is_dir():
                raise StorageUnavailable(f"{self._name}: the folder {folder} does not exist")
            if stat.S_ISDIR(self._path.stat().st_mode):
                remedy = "give the file's path within it"
                raise StorageUnavailable(f"{self._name}: it is a folder; {remedy}")
        except FileNotFoundError:
            if not create:
                remedy = "see that the path is right, or leave out create=false to have it made"
                raise StorageUnavailable(f"{self._name} does not exist; {remedy}") from None
        except OSError as error:  # a folder that is closed to this user, a name that is too long
            raise StorageUnavailable(f"{self._name}: {error.strerror}") from error

    def note(self) -> None:
        """It was opened just now."""
        self._opened = self._opened or self._there()

    def check(self) -> None:
        """StorageUnavailable, if it is another than the one that was opened first, or gone."""
        if self._opened is not None and self._there() != self._opened:
            raise StorageUnavailable(
                f"{self._name} was deleted, moved or replaced while this process had it open, and "
                "what is written now would be lost; put it back, or start this process again"
            )

    def _there(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._text)
        except OSError:
            return None
        return found.st_dev, found.st_ino

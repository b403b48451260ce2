"""Where a SQLite file lies: what kind of file system, how much room, who may write there."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...seam.findings import Finding, Findings, Severity
from ...values.figures import size

NETWORKS = (
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "beegfs", "ceph", "davfs", "glusterfs"),
    *("gpfs", "lustre", "orangefs", "prl_fs", "vboxsf", "virtiofs", "fuse.ceph-fuse"),
    *("fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.juicefs", "fuse.rclone", "fuse.s3fs"),
    *("fuse.sshfs", "fuse.virtiofs", "fuse.vmhgfs-fuse"),
)
"""File systems that other machines write, too: the host of a virtual machine is one of them."""

PASSING = {
    "tmpfs": "is in memory, and gone when the machine restarts",
    "ramfs": "is in memory, and gone when the machine restarts",
    "overlay": "is in a container's own layer, and gone with the container",
    "aufs": "is in a container's own layer, and gone with the container",
}
"""File systems that do not stay."""

LITTLE_ROOM, NO_ROOM = 500_000_000, 20_000_000
"""Free bytes."""

LONG_LOG = 100_000_000
"""Bytes of the write-ahead log, which starts anew after 4 MB where no reader holds it back."""


class Mount(NamedTuple):
    """A file system, and the folder that it begins at."""

    kind: str
    point: str


class Place(NamedTuple):
    """What the system tells about a file's place. ``mount`` None = it does not say."""

    file: Path
    mount: Mount | None
    free: int
    log: int
    read_only: tuple[str, ...]


def look(file: Path) -> Place | None:
    """The place of a file, there or not; None where there is no such folder. Nothing is opened."""
    real = Path(os.path.realpath(file))  # SQLite follows links too
    log, shared = f"{real}-wal", f"{real}-shm"
    if not os.path.isdir(real.parent):
        return None
    free = shutil.disk_usage(real.parent).free
    parts = [path for path in (str(real), log, shared) if os.path.exists(path)]
    length = os.path.getsize(log) if log in parts else 0
    read_only = [path for path in (str(real.parent), *parts) if not _may_write(path)]
    return Place(real, _mount(str(real.parent)), free, length, tuple(read_only))


def _may_write(path: str) -> bool:
    wanted = os.W_OK | os.X_OK if os.path.isdir(path) else os.W_OK
    return os.access(path, wanted, effective_ids=os.access in os.supports_effective_ids)


def _mount(folder: str) -> Mount | None:
    try:
        table = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    return mount_of(folder, table)


def mount_of(folder: str, table: str) -> Mount | None:
    """The file system of a folder, by Linux's table of mounts: of those that begin above it the
    nearest, and of several at one point the last, which hides the others."""
    found: Mount | None = None
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), left.split(" ")[4])
        if f"{folder}/".startswith(point.rstrip("/") + "/") and (
            found is None or len(point) >= len(found.point)
        ):
            found = Mount(right.split(" ")[0], point)
    return found


def judge(place: Place) -> Findings:
    """What the place means for a store."""
    return [*_file_system(place), *_permissions(place), *_room(place), *_log(place)]


def _file_system(place: Place) -> Iterator[Finding]:
    if place.mount is None:
        return
    kind, point = place.mount
    cure = "move the file with its -wal and -shm to a local disk that stays, while nobody has it "
    cure += "open"
    if kind in NETWORKS:
        fact = f"{point} is a network file system ({kind}): SQLite's locks and shared memory are "
        fact += "not safe there, and the file can be damaged"
        yield Finding(Severity.ERROR, "file system", fact, f"{cure}; or use postgresql://")
    elif kind in PASSING:
        fact = f"the file {PASSING[kind]} ({kind} at {point})"
        yield Finding(Severity.WARNING, "file system", fact, cure)
    elif kind.startswith("fuse."):
        fact = f"{point} is a file system in user space ({kind}): SQLite's locks and shared memory "
        fact += "may not work there"
        yield Finding(Severity.WARNING, "file system", fact, cure)
    else:
        yield Finding(Severity.OK, "file system", f"{kind} at {point}")


def _permissions(place: Place) -> Iterator[Finding]:
    if place.read_only:
        fact = f"whoever runs this may not write {', '.join(place.read_only)}"
        cure = "run as the user that owns the store; the folder has to be writable, too"
        yield Finding(Severity.ERROR, "permissions", fact, cure)
    else:
        yield Finding(Severity.OK, "permissions", "the file and its folder may be written")


def _room(place: Place) -> Iterator[Finding]:
    little, none = place.free < LITTLE_ROOM, place.free < NO_ROOM
    severity = Severity.ERROR if none else Severity.WARNING if little else Severity.OK
    cure = "make room: on a full disk nothing can be enqueued or recorded" if little else ""
    yield Finding(severity, "room", f"{size(place.free)} free on the disk", cure)


def _log(place: Place) -> Iterator[Finding]:
    fact = f"the write-ahead log has {size(place.log)}"
    if place.log > LONG_LOG:
        cure = "find who keeps a read transaction open (a shell, a backup, a stopped process), and "
        cure += "end it; the log is cut back after that"
        yield Finding(Severity.WARNING, "log", fact, cure)
    else:
        yield Finding(Severity.OK, "log", fact)

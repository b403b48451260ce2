"""A disk that forgets: what may be on it when the power goes at a given moment.

The model. A file is a row of sectors of 512 bytes, and a size. A sync that has *ended* makes safe
what was done to the file before it *began*. All else (writes, truncations, growth) may have reached
the disk or not, each sector for itself and in any order, whatever was written when: of several
writes to a sector any may be the last that arrived. A write never harms bytes beside its own:
SQLite calls that POWERSAFE_OVERWRITE, and assumes it. Of its own, a sector may hold garbage,
neither old nor new. A file may have grown without the contents, and reads as zeros there.

The folder is a file of names. That a name was made or removed is safe only when a sync of the
folder has ended, and may be forgotten for each name by itself; with a new file's name goes the
file. Shared memory (``-shm``) is always gone.

Not in the model: a disk that acknowledges syncs without doing them (the mutants have it), one that
damages what was safe, and what a file system may promise beyond this.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .trace import DIRECTORY, Created, Deleted, Event, Synced, Syncing, Truncated, Wrote

SECTOR = 512

Image = dict[str, bytes]
"""The files that are found after the power loss, by name."""


class Pending(NamedTuple):
    """Something done to a file and not safe yet; ``event`` is its number."""

    event: int
    act: Wrote | Truncated | Created | Deleted


def _none(rng: random.Random, count: int) -> list[float]:
    return [0.0] * count


def _all(rng: random.Random, count: int) -> list[float]:
    return [1.0] * count


def _sectors(rng: random.Random, count: int) -> list[float]:
    return [rng.random()] * count


def _whole_writes(rng: random.Random, count: int) -> list[float]:
    share = rng.random()
    return [float(rng.random() < share) for _ in range(count)]


def _until(rng: random.Random, count: int) -> list[float]:
    """In order, up to a write of which only some sectors arrived."""
    cut = rng.randrange(count + 1)
    return [1.0] * cut + [0.5] * (cut < count) + [0.0] * (count - cut - 1)


def _reordered(rng: random.Random, count: int) -> list[float]:
    cut = rng.randrange(count + 1)
    return [0.0] * cut + [1.0] * (count - cut)


def _one_torn(rng: random.Random, count: int) -> list[float]:
    chances = [1.0] * count
    if count:
        # Often the last: it is under way when the power goes.
        chances[rng.choice((rng.randrange(count), count - 1))] = rng.choice((0.0, 0.5))
    return chances


FATES: dict[str, Callable[[random.Random, int], list[float]]] = {
    "all lost": _none,
    "all there": _all,
    "sectors lost": _sectors,
    "writes lost": _whole_writes,
    "lost from some moment on": _until,
    "lost up to some moment": _reordered,
    "one write torn": _one_torn,
}


class File:
    """What is safe of a file, and what is not yet."""

    def __init__(self, content: bytes) -> None:
        self.safe = bytearray(content)
        self.pending: list[Pending] = []

    def sync(self, begun: int) -> None:
        """What was done before is safe."""
        done = [pending for pending in self.pending if pending.event < begun]
        self.pending = self.pending[len(done) :]
        for _, act in done:
            _apply(self.safe, act)


class Disk:
    """Follows a trace, event by event."""

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.names: dict[str, int] = {}
        self.pending_names: list[Pending] = []
        self._syncs: dict[int, int] = {}  # file by the event at which its sync began

    def follow(self, number: int, event: Event) -> None:
        """Take the next event of the trace, of that number."""
        act = event.what
        match act:
            case Created():
                self.files[act.file] = File(act.content)
                self.pending_names.append(Pending(number, act))
            case Deleted():
                self.pending_names.append(Pending(number, act))
            case Wrote() | Truncated():
                self.files[act.file].pending.append(Pending(number, act))
            case Syncing():
                self._syncs[number] = act.file
            case Synced():
                self._sync(self._syncs.pop(act.begun), act.begun)

    def _sync(self, file: int, begun: int) -> None:
        if file != DIRECTORY:
            self.files[file].sync(begun)
            return
        done = [pending for pending in self.pending_names if pending.event < begun]
        self.pending_names = self.pending_names[len(done) :]
        for _, act in done:
            _rename(self.names, act)

    # -- the power goes ------------------------------------------------------------------------

    def image(self, rng: random.Random) -> tuple[Image, tuple[str, ...]]:
        """What may be found afterwards, and by which fates of the files."""
        found: Image = {}
        names = self._found_names(rng)
        fates = [*self._of_names(names)]
        for name, number in sorted(names.items()):
            file = self.files[number]
            fate = rng.choice([*FATES])
            chances = FATES[fate](rng, len(file.pending))
            found[name] = _survivor(rng, file, chances)
            if file.pending:
                fates.append(f"{name}: {fate}")
        return found, tuple(fates)

    def _found_names(self, rng: random.Random) -> dict[str, int]:
        names = dict(self.names)
        share = rng.choice((0.0, 0.5, 1.0))
        for _, act in self.pending_names:
            if rng.random() < share:
                _rename(names, act)
        return names

    def _of_names(self, found: dict[str, int]) -> Iterator[str]:
        now = dict(self.names)
        for _, act in self.pending_names:
            _rename(now, act)
        for name in sorted(now.keys() | found.keys()):
            if now.get(name) != found.get(name):
                yield f"{name}: {'made' if name in now else 'removed'}, which is forgotten"


def _rename(names: dict[str, int], act: object) -> None:
    if isinstance(act, Created):
        names[act.name] = act.file
    elif isinstance(act, Deleted):
        names.pop(act.name, None)


def _apply(content: bytearray, act: object) -> None:
    if isinstance(act, Wrote):
        _put(content, act.offset, act.data)
    elif isinstance(act, Truncated):
        del content[act.size :]
        content.extend(bytes(act.size - len(content)))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _survivor(rng: random.Random, file: File, chances: Sequence[float]) -> bytes:
    """The file when each sector of each pending act has that chance to be there."""
    content = bytearray(file.safe)
    garbage = rng.choice((0.0, 0.0, 0.1))  # share of the sectors that are not there
    grows = rng.random() < 0.3  # sizes arrive without contents
    for (_, act), chance in zip(file.pending, chances, strict=True):
        if chance == 1.0 or (isinstance(act, Truncated) and rng.random() < chance):
            _apply(content, act)
        elif isinstance(act, Wrote):
            for offset, data in _sectors_of(act):
                if rng.random() < chance:
                    _put(content, offset, data)
                elif rng.random() < garbage:
                    _put(content, offset, rng.randbytes(len(data)))
                elif grows:
                    content.extend(bytes(max(0, offset + len(data) - len(content))))
    return bytes(content)


def _sectors_of(act: Wrote) -> Iterator[tuple[int, bytes]]:
    """The write in pieces, none of which crosses the border of a sector."""
    start, end = act.offset, act.offset + len(act.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield start, act.data[start - act.offset : stop - act.offset]
        start = stop

"""What the demo found, in a table or as JSON."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import attrs

from ..values.texts import plain, table
from . import demo_tasks
from .demo_files import Found, Trouble
from .demo_tasks import to_path
from .demo_work import Work
from .figures import counted, size

GROUPS = 10
"""Groups of duplicates that are shown; ``--json`` has all."""

COPIES = 5
TROUBLES = 10


class Group(NamedTuple):
    """Files with the same bytes."""

    sha256: str
    bytes: int
    paths: list[str]

    @property
    def wasted(self) -> int:
        """Bytes that would be free if one of them stayed."""
        return self.bytes * (len(self.paths) - 1)


@attrs.frozen
class Report:
    """The outcome for the files that are there now; paths are seen from ``folder``."""

    folder: str
    database: str
    seconds: float
    work: Work
    sums: dict[str, tuple[int, str]]
    troubles: list[Trouble]
    bytes: int

    @classmethod
    def of(
        cls,
        folder: str,
        database: str,
        seconds: float,
        work: Work,
        files: Sequence[Found],
        troubles: Sequence[Trouble],
    ) -> "Report":
        """Gather it from the work that was done."""
        sums, failed = {}, [Trouble(_seen_from(folder, t.text), t.reason) for t in troubles]
        for file in files:
            path = _seen_from(folder, file.text)
            job_id = file.job_id
            if job_id in work.sums:
                sums[path] = (file.size, work.sums[job_id])
            elif job_id in work.failed:
                failed.append(Trouble(path, work.failed[job_id]))
        total = sum(size for size, _ in sums.values())
        return cls(folder, database, seconds, work, sums, failed, total)

    @property
    def done(self) -> int:
        """Jobs that ended in this run."""
        work = self.work
        return work.new + work.again + work.unfinished - len(work.pending)

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    def duplicates(self) -> list[Group]:
        """Groups of files with the same bytes, those that waste most first."""
        groups: dict[tuple[str, int], list[str]] = {}
        for path, (length, digest) in self.sums.items():
            groups.setdefault((digest, length), []).append(path)
        found = [
            Group(digest, length, sorted(paths))
            for (digest, length), paths in groups.items()
            if len(paths) > 1
        ]
        return sorted(found, key=lambda group: (-group.wasted, group.paths))

    def to_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        work = self.work
        return {
            "folder": self.folder,
            "database": self.database,
            "files": len(self.sums),
            "bytes": self.bytes,
            "new": work.new,
            "known": work.known,
            "tried_again": work.again,
            "unfinished_before": work.unfinished,
            "seconds": round(self.seconds, 3),
            "jobs_per_second": round(self.rate, 1),
            "sums": [
                {"path": path, "bytes": length, "sha256": digest}
                for path, (length, digest) in self.sums.items()
            ],
            "failures": [{"path": path, "reason": reason} for path, reason in self.troubles],
            "duplicates": [group._asdict() for group in self.duplicates()],
        }

    def lines(self) -> Iterator[str]:
        """The table, for people."""
        work = self.work
        yield f"{counted(work.new, 'file')} new or changed, {work.known:,} known" + _left(work)
        yield ""
        rate = f"{self.rate:,.0f}" if self.done else "-"
        facts = (f"{len(self.sums):,}", size(self.bytes), f"{self.seconds:.2f}", rate)
        titles = ("FILES", "BYTES", "SECONDS", "JOBS/S")
        yield from table(titles, [facts], right=titles)
        yield ""
        yield from _duplicates(self.duplicates())
        if self.troubles:
            yield ""
            yield from _troubles(self.troubles)


def _seen_from(folder: str, text: str) -> str:
    return os.path.relpath(to_path(text), folder)


def _left(work: Work) -> str:
    parts = []
    if work.unfinished:
        parts.append(f"{work.unfinished:,} left unfinished by an earlier run")
    if work.again:
        parts.append(f"{work.again:,} failed before and tried again")
    return "".join(f", {part}" for part in parts)


def _duplicates(groups: Sequence[Group]) -> Iterator[str]:
    if not groups:
        yield "No two files have the same bytes."
        return
    files = sum(len(group.paths) for group in groups)
    wasted = size(sum(group.wasted for group in groups))
    yield f"{files:,} files are duplicates, in {counted(len(groups), 'group')}; {wasted} to spare"
    for group in groups[:GROUPS]:
        yield ""
        yield f"  {len(group.paths):,} x {size(group.bytes)}  sha256 {group.sha256[:16]}..."
        for path in group.paths[:COPIES]:
            yield f"    {plain(path)}"
        if len(group.paths) > COPIES:
            yield f"    ... and {len(group.paths) - COPIES:,} more"
    if len(groups) > GROUPS:
        yield ""
        yield f"  ... and {counted(len(groups) - GROUPS, 'smaller group')}; --json has them all"


def _troubles(troubles: Sequence[Trouble]) -> Iterator[str]:
    yield f"{len(troubles):,} could not be read"
    for trouble in troubles[:TROUBLES]:
        reason = trouble.reason.removeprefix(f"{demo_tasks.__name__}.")
        yield f"  {plain(trouble.text)}: {plain(reason)}"
    if len(troubles) > TROUBLES:
        yield f"  ... and {len(troubles) - TROUBLES:,} more; --json has them all"

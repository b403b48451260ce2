"""Errors that are alike: by the type of the exception, and by its message without what varies."""

import re
from collections.abc import Iterable
from datetime import datetime

import attrs

from .job import Job
from .states import AwaitingRetry, Failed

LENGTH = 300
"""Characters of a message by which errors are told apart."""

VARIES = "…"
"""Stands for what varies: a text in quotes, a word with a digit in it, an address."""

_QUOTED = r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\"|`[^`\n]*`"
_ADDRESS = r"[\w.+-]{1,64}@[\w.-]+"
_NUMBERED = r"[\w-]*\d(?:[\w.:+-]*\w)?"
_WHAT_VARIES = re.compile(f"{_QUOTED}|{_ADDRESS}|{_NUMBERED}")

_TYPE = re.compile(r"[^\W\d]\w*(?:\.\w+|\.<\w+>)*")


@attrs.frozen
class ErrorGroup:
    """Jobs whose last attempt ended alike. ``exception``: its type, "" where it has none;
    ``message``: normalised, what varies is "…"; ``count``: how many jobs; their ``methods`` and
    ``queues``, by name; ``first_at`` and ``last_at``: when the first and the last of them failed
    (UTC); ``newest``: the id of that last one."""

    exception: str
    message: str
    count: int
    methods: tuple[str, ...]
    queues: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    newest: str


@attrs.define
class _Group:
    newest: str
    first_at: datetime
    last_at: datetime
    count: int = 0
    methods: set[str] = attrs.field(factory=set)
    queues: set[str] = attrs.field(factory=set)

    def add(self, job: Job, at: datetime) -> None:
        self.count += 1
        self.methods.add(job.method)
        self.queues.add(job.queue)
        self.first_at = min(self.first_at, at)
        if at > self.last_at:
            self.last_at, self.newest = at, job.id

    def told(self, exception: str, message: str) -> ErrorGroup:
        return ErrorGroup(
            exception,
            message,
            self.count,
            tuple(sorted(self.methods)),
            tuple(sorted(self.queues)),
            self.first_at,
            self.last_at,
            self.newest,
        )


def normalised(text: str) -> tuple[str, str]:
    """The type of an exception and its message, of a text such as ``ValueError: bad id 7``, the
    message without what varies: the first line, cut at 300 characters."""
    lines = text.strip().splitlines()
    line = lines[0] if lines else ""
    kind, colon, message = line.partition(": ")
    if not _TYPE.fullmatch(kind) or (not colon and line != text.strip()):
        kind, message = "", line
    return kind, _WHAT_VARIES.sub(VARIES, message[:LENGTH])


def grouped(jobs: Iterable[Job]) -> list[ErrorGroup]:
    """The errors of jobs that have failed or await a retry, others left out: the group that
    happened last comes first. Each job is counted once, by its last attempt."""
    groups: dict[tuple[str, str], _Group] = {}
    for job in jobs:
        told = _told(job)
        if told is not None:
            at, text = told
            groups.setdefault(normalised(text), _Group(job.id, at, at)).add(job, at)
    found = [group.told(*key) for key, group in groups.items()]
    return sorted(found, key=lambda group: group.last_at, reverse=True)


def _told(job: Job) -> tuple[datetime, str] | None:
    match job.state:
        case Failed(failed_at=at, exception=text):
            return at, text
        case AwaitingRetry(scheduled_at=at, last_exception=text):
            return at, text
    return None

"""Operations on single jobs, of which a history consists in the eyes of its checker."""

from typing import NamedTuple

from .facts import Facts

NEVER = 2**62
"""A time after every other."""

DONE, UNKNOWN = "done", "unknown"

ANYWHERE = ""
"""The job of an operation that may have touched any: nobody heard which."""


class Operation(NamedTuple):
    """What one call did, or may have done, to one job.

    ``answer``: "done", a refusal by its name, or "unknown": then it took effect once at any time
    after ``began``, or never. ``early``, ``late``: the storage's time in which it was carried out,
    the allowance for clocks included. ``given``, ``told``: the job as sent and as the reply showed
    it. ``worker``, ``fence``, ``seq``: the claim that acts. ``lease``: the microseconds asked for,
    of a purge how long jobs in state ``kind`` are kept. ``kind``, ``outcome``, ``due``: what a
    claim's end asks for. ``ahead``: claimed ahead of a free thread. ``alone``: others of its call
    may have been stored though it was not.
    """

    verb: str
    job: str
    answer: str
    began: int
    ended: int
    early: int
    late: int
    process: str
    number: int
    worker: str | None = None
    fence: int = 0
    seq: int | None = None
    lease: int = 0
    given: Facts | None = None
    told: Facts | None = None
    kind: str = ""
    outcome: str = ""
    due: int | None = None
    ahead: bool = False
    alone: bool = False

    def forgotten(self) -> "Operation":
        """The same without its reply: it may have taken effect, or not."""
        return self._replace(answer=UNKNOWN, told=None, ended=NEVER)


class Operations(NamedTuple):
    """All operations: of each job by its id, and those that may have touched any job, by time; and
    of each queue the pauses and what ended them."""

    by_job: dict[str, list[Operation]]
    anywhere: list[Operation]
    of_queues: dict[str, list[Operation]]

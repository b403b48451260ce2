"""What passes through the seam: flat rows, and the orders a driver carries out on them.

A driver orders, filters and guards by these columns. It knows the names of the states as texts,
and that a claim makes a row "processing"; what a state means is the rules' business. Every time
is a whole number of microseconds since 1970 UTC, and every "now" is an argument.
"""

from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from .onlooking import Batches, Oldest

PROCESSING, SUCCEEDED = "processing", "succeeded"

PAUSED = "paused/"
"""How the name of a record begins that keeps claims out of a queue, whose name follows."""

TALLIED = ("batch", "counts", "awaits", "needs_all")
"""Columns of a row that a rewrite leaves as they are."""

# Row.key_held: whether the unique key is reserved, and how long.
KEY_FREE, KEY_UNTIL_CLAIMED, KEY_UNTIL_FINAL = 0, 1, 2

# Row.ahead: whether the claim was made ahead of a free thread.
NOT_AHEAD, AHEAD, NEVER_AHEAD = 0, 1, 2


class Verdict(Enum):
    """What became of a guarded order. Only DONE changed anything."""

    DONE = "done"
    STALE = "stale"  # the guard did not hold: somebody else was there
    GONE = "gone"  # no such row
    TAKEN = "taken"  # another row holds the unique key


class Row(NamedTuple):
    """One stored job; ``payload``, ``detail``, ``failures``, ``metadata``, ``notes`` are opaque."""

    seq: int | None  # place in the order of insertion; given by the driver, never reused
    id: str
    version: int
    state: str
    queue: str
    priority: int
    method: str
    attempt: int
    fence: int
    max_attempts: int
    ahead: int
    worker: str | None  # who claimed it last
    locked_by: str | None  # who locked it; None = what lease there is belongs to the claim
    lease_until: int | None  # held until then, by ``holder``; None = held by nobody
    due_at: int | None  # claimable from then on; None = not claimable
    finished_at: int | None
    purge_at: int | None  # when it is to be removed; None = as others of its state
    expires_at: int | None  # a waiting row is not to be started from then on; None = ever
    created_at: int
    key_held: int
    unique_key: str | None
    unique_while: str
    max_retries: int | None
    timeout_seconds: float | None
    job_type: str | None
    lane: str | None  # which limits it is under, see qml.seam.lanes; None = none
    permit: str | None  # the lane's permit; a live claim of the row has one of them
    batch: str | None
    counts: str | None  # JSON list of the tallies that the row's end counts for
    awaits: str | None  # the tally it waits for
    needs_all: int  # whether what it waits for has to end well, or it is not to start
    detail: str
    failures: str
    metadata: str
    payload: str
    notes: str  # what its runs said of themselves; written by ``hold`` alone


class Obstacle(NamedTuple):
    """Why the row at ``index`` cannot be inserted: ``by`` "id" or "key", held by job ``holder``; or
    "tally", the one it awaits is not there. Or why nothing can: "record"; the index is -1."""

    index: int  # type: ignore[assignment]  # hides the method of tuples, which nobody needs
    by: str
    holder: str


class Inserted(NamedTuple):
    """The seqs of the rows stored, in their order; or what stood in the way, and none is stored."""

    seqs: list[int]
    obstacles: list[Obstacle]


class Write(NamedTuple):
    """The record ``name`` as version ``expected + 1``, if it is ``expected`` now (0 = none)."""

    name: str
    body: str
    expected: int


class Move(NamedTuple):
    """A change of state: the columns to write on the row with this id, seq and version.

    ``seq`` None = whichever row has the id. ``lapsed_by`` guards besides: only if the lease has
    ended by that time. The version is raised by one. ``then``: rows to insert in the same step, if
    the move is DONE; one whose id is taken is left out, and they hold no unique keys.
    """

    id: str
    seq: int | None
    version: int
    lapsed_by: int | None
    state: str
    detail: str
    due_at: int | None
    finished_at: int | None
    purge_at: int | None
    failures: str
    attempt: int
    max_attempts: int
    ahead: int
    key_held: int | None  # None = as it is
    ends_lease: bool  # nobody holds the row any more; False = who holds it still does
    then: tuple[Row, ...] = ()


class Rewrite(NamedTuple):
    """The whole record anew, on the row with this id, seq and version.

    ``row`` carries the new version. ``keeps_lease`` leaves worker, locked_by and lease_until as
    they are stored; ``keeps_payload`` the payload. The notes stay in any case, and what the row
    has to do with tallies: batch, counts, awaits, needs_all.
    """

    seq: int | None
    version: int
    row: Row
    keeps_lease: bool
    keeps_payload: bool


Change = Move | Rewrite


class Claim(NamedTuple):
    """Take the best ``limit`` rows for free threads and up to ``ahead`` more, marked AHEAD, none of
    them in a lane: they would use up what others may start at once."""

    worker: str
    now: int
    lease_until: int
    limit: int
    ahead: int
    queues: tuple[str, ...] | None
    detail: str


class Claimed(NamedTuple):
    """Rows as claimed, in order, and when the next waiting row falls due (None = none waits)."""

    rows: list[Row]
    next_due: int | None


class Hold(NamedTuple):
    """Extend a lease, or take a lock, until ``until``.

    With ``fence`` (a renewal): only the claim with this worker, fence and seq, not yet ended.
    ``notes`` of a renewal are written, too, while the row is processing (None = as they are).
    Without (a lock): anyone, unless another worker holds the row at ``now``. Who holds it already
    only extends it. Over the lapsed claim of a processing row it becomes the claim's worker and
    raises fence and version, so that the old hand is stale; otherwise it becomes ``locked_by``.
    Where either would make a lapsed claim live again that needs a permit, there has to be one free.
    """

    id: str
    seq: int | None
    worker: str
    fence: int | None
    now: int
    until: int
    notes: str | None = None


class Page(NamedTuple):
    """Rows newest first (highest seq first), filtered; ``below``: those with a lower seq."""

    states: tuple[str, ...] | None = None
    queue: str | None = None
    method: str | None = None
    limit: int | None = None
    offset: int = 0
    below: int | None = None
    batch: str | None = None


class Available(NamedTuple):
    """Rows a claim at ``now`` by a new worker could take, in its order, if there were no lanes."""

    now: int
    limit: int | None = None


class Lapsed(NamedTuple):
    """Processing rows whose lease has ended at ``now``, longest ago first."""

    now: int
    limit: int


class Expired(NamedTuple):
    """Waiting rows (``due_at`` not None) that expired at ``now`` or before, longest ago first."""

    now: int
    limit: int


class After(NamedTuple):
    """All rows with a higher seq, the lowest first: the whole store, page by page."""

    seq: int
    limit: int


class Finished(NamedTuple):
    """Rows that finished in ``state`` by then, longest ago first; none that has a ``purge_at``."""

    state: str
    by: int


class Overdue(NamedTuple):
    """Rows whose ``purge_at`` is ``by`` or before, longest ago first."""

    by: int


Query = Page | Available | Lapsed | Expired | After | Oldest | Batches


class Record(NamedTuple):
    """A small named document with a version: servers, locks, schedules. ``body`` is JSON text."""

    name: str
    version: int
    body: str


as_row = partial(tuple.__new__, Row)
"""``Row._make`` in C alone: it counts no values, and calls no Python."""

_VERSION, _ATTEMPT, _AHEAD, _KEY_HELD, _DETAIL = map(
    Row._fields.index, ("version", "attempt", "ahead", "key_held", "detail")
)


def holder(row: Row) -> str | None:
    """Who holds the row while its lease lasts."""
    return row.locked_by or row.worker


def is_free(row: Row, now: int) -> bool:
    """Whether nobody holds the row at ``now``."""
    return row.lease_until is None or row.lease_until <= now


def holdable(row: Row, worker: str, now: int) -> bool:
    """Whether ``worker`` may take the row: nobody else holds it at ``now``."""
    return is_free(row, now) or holder(row) == worker


def as_rewritten(row: Row, change: Rewrite) -> Row:
    """The row after the rewrite of it."""
    new = change.row._replace(seq=row.seq)
    if change.keeps_lease:
        new = new._replace(worker=row.worker, locked_by=row.locked_by, lease_until=row.lease_until)
    names = ("notes", "payload") if change.keeps_payload else ("notes",)
    return new._replace(**{name: getattr(row, name) for name in (*names, *TALLIED)})


def as_claimed(row: Row, claim: Claim, rank: int) -> Row:
    """The row after the claim took it as number ``rank`` (0 = best)."""
    columns: list[Any] = [*row]  # by place: a quarter of the time that _replace takes
    columns[_VERSION : _VERSION + 2] = row.version + 1, PROCESSING
    columns[_ATTEMPT : _ATTEMPT + 2] = row.attempt + 1, row.fence + 1
    ahead = AHEAD if rank >= claim.limit else row.ahead
    columns[_AHEAD : _AHEAD + 5] = ahead, claim.worker, None, claim.lease_until, None
    columns[_KEY_HELD] = KEY_FREE if row.key_held == KEY_UNTIL_CLAIMED else row.key_held
    columns[_DETAIL] = claim.detail
    return as_row(columns)


def chosen(rows: list[Row], claim: Claim) -> list[Row]:
    """Of the best rows, those the claim takes, as claimed: those beyond ``limit`` ahead, if they
    were not lost that way before."""
    best = enumerate(rows[: claim.limit + claim.ahead])
    taken = [row for rank, row in best if rank < claim.limit or row.ahead != NEVER_AHEAD]
    return [as_claimed(row, claim, rank) for rank, row in enumerate(taken)]

"""Laws of what comes with a run and after it: its notes, its follow-up, its retention, its time."""

import json
from collections import Counter
from collections.abc import Iterator

from ...seam.rows import Row
from .calls import FINAL, Broken, Call, arrived, changed, set_once
from .claims import MARK


def a_run_notes_for_itself(call: Call) -> Broken:
    """What a run notes is written by its claim, while that holds the job, and by nothing else."""
    for was, now in changed(call):
        if now.notes == was.notes:
            continue
        if call.verb != "hold" or was.state != "processing":
            yield f"the notes of {was.id}, {was.state}, were changed by {call.verb}"
        marks = {(worker, int(fence)) for worker, fence in MARK.findall(now.notes)}
        if marks - {(was.worker, was.fence)}:
            yield f"{was.id} has the notes of {sorted(marks)}, and runs as {was.worker}/{was.fence}"


def followups_come_once(call: Call) -> Broken:
    """A job that fails for good, or succeeds, has what follows on it enqueued, in the same step."""
    if call.verb == "swap" and call.who.acts != "updates":
        wanted = Counter(told for was, now in changed(call) for told in _followed(was, now))
        found = Counter((json.loads(row.payload)[0][0], row.method) for row in arrived(call))
        if found != wanted:
            yield f"{sorted(wanted.elements())} should follow, {sorted(found.elements())} do"


def _followed(was: Row, now: Row) -> Iterator[tuple[str, str]]:
    """The first argument and the method of what follows."""
    role = {"failed": "on_failure", "succeeded": "on_success"}.get(now.state)
    after = set_once(was).get(role) if role and was.state == "processing" else None
    if after is not None:
        yield was.id if role == "on_failure" else after["arguments"][0], after["method"]


def only_the_late_expire(call: Call) -> Broken:
    """A job expires once its time has passed, and while it waits."""
    if call.verb == "swap" and call.who.acts in ("expires", "claims"):
        for was, now in changed(call):
            if now.state == "deleted" and (was.expires_at is None or was.expires_at > call.now):
                yield f"{was.id} has expired, and its time is {was.expires_at}"
            elif call.who.acts == "expires" and was.due_at is None:
                yield f"{was.id} has expired, and was {was.state}"


def kept_as_long_as_asked(call: Call) -> Broken:
    """A job with a retention of its own is kept so long from its end on, and then purged."""
    if call.verb == "erase" and call.who.acts == "purges":
        for job_id, was in call.before.items():
            gone = job_id not in call.after
            if gone and was.purge_at is not None and was.purge_at > call.now:
                yield f"{job_id} is purged {(was.purge_at - call.now) / 1e6:g} s early"
    for now in [*arrived(call), *(new for _, new in changed(call))]:
        if now.purge_at != _purge_at(now):
            yield f"{now.id} is to be purged at {now.purge_at}, and not at {_purge_at(now)}"


def _purge_at(row: Row) -> int | None:
    kept = set_once(row).get("retention")
    if kept is None or row.state not in FINAL or row.finished_at is None:
        return None
    seconds: float = kept[("succeeded", "deleted", "failed").index(row.state)]
    return row.finished_at + round(seconds * 1_000_000)

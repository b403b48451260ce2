"""Laws of records: what may change about a job, and what a call's answer is worth."""

from collections.abc import Sequence
from typing import Any

from ...seam.rows import Change, Move, Row, Verdict
from ...seam.tallies import names
from .calls import (
    BY_HAND,
    FINAL,
    Broken,
    Call,
    Who,
    changed,
    difference,
    id_of,
    is_touched,
    named,
)


def final_is_final(call: Call) -> Broken:
    """A job that has ended stays as it is, until somebody asks or its retention is over."""
    if call.who.acts in BY_HAND:
        return
    for job_id, was in call.before.items():
        now = call.after.get(job_id)
        if now is None and (was.state not in FINAL or call.who.acts != "purges"):
            yield f"{job_id}, {was.state}, is gone"
        elif now is not None and was.state in FINAL and now.version != was.version:
            yield f"{job_id} was {was.state} and is {now.state}"


def attempts_are_counted(call: Call) -> Broken:
    """Each claim is an attempt, up to the maximum, and one handed back is none."""
    for was, now in changed(call):
        charge = now.attempt - was.attempt
        if call.verb == "claim" and now.attempt > now.max_attempts:
            yield f"{was.id} is claimed for attempt {now.attempt} of {now.max_attempts}"
        elif call.verb != "claim" and charge != _charge(call.who, was):
            yield f"{was.id}: attempt {was.attempt} became {now.attempt}"
        if now.max_attempts != was.max_attempts and call.who.acts not in BY_HAND:
            yield f"{was.id}: of {was.max_attempts} attempts became {now.max_attempts}"


def _charge(who: Who, was: Row) -> int:
    """By how much the count of attempts changes at this end of a claim."""
    if was.state != "processing":
        return 0
    if who.acts == "rescues":
        return -1 if was.ahead == 1 else 0
    if who.acts == "claims":  # what came too early is given back at once
        return -1
    ends = [end for end in who.ends or () if (end.seq, end.fence) == (was.seq, was.fence)]
    return -1 if ends and not ends[0].charged else 0


def deleted_for_good(call: Call) -> Broken:
    """What was cancelled, discarded or has expired never comes back."""
    for was, now in changed(call):
        if was.state == "deleted" and now.state != "deleted":
            yield f"{was.id} was deleted and is {now.state}"


def keys_have_one_holder(call: Call) -> Broken:
    """A unique key is held by one job, for as long as its ``unique_while`` says."""
    holders: dict[str, str] = {}
    for row in call.after.values():
        if (row.key_held != 0) != _keeps_key(row):
            yield f"{row.id}, {row.state}, {'holds' if row.key_held else 'lacks'} {row.unique_key}"
        if row.key_held and holders.setdefault(row.unique_key or "", row.id) != row.id:
            yield f"{row.unique_key} is held by {holders[row.unique_key or '']} and {row.id}"


def _keeps_key(row: Row) -> bool:
    if row.unique_key is None or row.state in FINAL:
        return False
    if row.unique_while == "unfinished":
        return True
    return row.fence == 0 and row.state in ("enqueued", "scheduled")


def what_was_given_stays(call: Call) -> Broken:
    """What a job is to do never changes, and the rest only where somebody asks."""
    fixed = ["payload", "method", "created_at", "unique_key", "unique_while", "timeout_seconds"]
    if call.who.acts != "updates":
        fixed += ["metadata", "queue", "priority", "max_retries", "job_type"]
    for was, now in changed(call):
        names = [name for name in fixed if getattr(was, name) != getattr(now, name)]
        if names:
            yield f"{', '.join(names)} of {was.id} changed"


def updates_compare(call: Call) -> Broken:
    """An update is made to the version that was read."""
    if call.verb == "swap" and call.who.acts == "updates":
        for was, _ in changed(call):
            if was.version != call.who.read:
                yield f"{was.id} was read as version {call.who.read}, and was {was.version}"


def fences_and_versions_rise(call: Call) -> Broken:
    """Fence and version never sink, and rise by what a call may do."""
    for was, now in changed(call):
        leased = was._replace(
            lease_until=now.lease_until,
            locked_by=now.locked_by,
            worker=now.worker,
            notes=now.notes,  # who may write them is another law
        )
        if was.seq != now.seq:
            yield f"{was.id} became another job under the same id"
        elif now.version != was.version + (leased != now):
            yield f"{was.id}: version {was.version} became {now.version}"
        elif now.fence < was.fence:
            yield f"{was.id}: the fence sank from {was.fence} to {now.fence}"
        elif call.verb not in ("claim", "hold") and now.fence != was.fence:
            yield f"{was.id}: fence {was.fence} became {now.fence} by {call.verb}"


def changes_only_what_it_names(call: Call) -> Broken:
    """A call changes the rows that it names, and no others."""
    names = named(call)
    for job_id in call.before.keys() | call.after.keys():
        was, now = call.before.get(job_id), call.after.get(job_id)
        if was != now and job_id not in names and not (was and now and is_touched(call, was, now)):
            yield f"{call.verb} changed {job_id}"


def answers_are_true(call: Call) -> Broken:
    """What a call answers is so."""
    if call.verb == "claim":
        for row in call.answer.rows:
            if call.after.get(row.id) != row:
                yield f"{row.id} was handed out other than it is stored"
    elif call.verb == "insert" and not call.answer.obstacles:
        for row, seq in zip(call.order[0], call.answer.seqs, strict=True):
            stored, given = call.after.get(row.id), row._replace(seq=seq)
            if stored is None:
                yield f"{row.id} was not stored"
            elif (shown := _as_given(stored, row, call.order[0])) != given:
                told = difference(given, shown)
                yield f"{row.id} was stored other than it was given: {told}"
    elif call.verb in ("swap", "hold"):
        for order, verdict in zip(call.order, call.answer, strict=True):
            row = call.after.get(id_of(order))
            if verdict is Verdict.DONE and (row is None or not _is_done(order, row)):
                yield f"{call.verb} of {id_of(order)} was answered by done, and is not"


def _as_given(stored: Row, given: Row, beside: Sequence[Row]) -> Row:
    """What comes after others may have been woken as it was stored, and what is stored with those
    that come after it counts for them."""
    asked, counts = names(given.counts), names(stored.counts)
    later = [row.awaits for row in beside if row.awaits and row.awaits not in asked]
    if [name for name in counts if name not in later] == [*asked]:
        stored = stored._replace(counts=given.counts)
    if given.awaits is None:
        return stored
    return stored._replace(due_at=given.due_at, expires_at=given.expires_at)


def _is_done(order: Any, row: Row) -> bool:
    if isinstance(order, Change):
        state = order.state if isinstance(order, Move) else order.row.state
        return row.state == state and row.version > order.version
    written = order.notes is None or row.state != "processing" or row.notes == order.notes
    return bool(row.lease_until == order.until) and written

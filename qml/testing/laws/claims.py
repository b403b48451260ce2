"""Laws of claims: who gets a job, when, and which hand ends it."""

import re
from itertools import islice

from ...seam.rows import Row
from .calls import Broken, Call, changed, difference, holder, is_held
from .sharing import passing

MARK = re.compile(r"\(claim (\S+)/(\d+)\)")
"""What a simulated task writes into its result or exception: worker and fence of its claim."""


def one_owner(call: Call) -> Broken:
    """A job is claimed or locked only while nobody else holds it."""
    for was, now in changed(call):
        takes = call.verb == "claim" or (call.verb == "hold" and call.who.acts == "locks")
        if takes and is_held(was, call.now) and holder(was) != holder(now):
            yield f"{was.id} was given to {holder(now)}, and {holder(was)} holds it"


def never_early(call: Call) -> Broken:
    """A job is claimed only once it is due."""
    if call.verb == "claim":
        for was, _ in changed(call):
            if was.due_at is None:
                yield f"{was.id} was {was.state}"
            elif was.due_at > min(call.order.now, call.now):
                yield f"{was.id} was due {was.due_at - call.order.now} microseconds later"


def best_first(call: Call) -> Broken:
    """A claim takes the best of what is due and may start, and leaves no thread without work."""
    if call.verb == "claim":
        claim = call.order
        due = [
            row
            for row in call.before.values()
            if row.due_at is not None and row.due_at <= claim.now
            if claim.queues is None or row.queue in claim.queues
            if not is_held(row, claim.now) or holder(row) == claim.worker
        ]
        due.sort(key=lambda row: (-row.priority, row.seq or 0))
        best = [*islice(passing(due, call), claim.limit)]
        expected, found = [r.id for r in best], [r.id for r in call.answer.rows[: claim.limit]]
        if expected != found:
            yield f"it took {found}, the best are {expected}"


def claims_are_leased(call: Call) -> Broken:
    """A claim makes its worker the holder for the whole lease, with a new fence and version."""
    if call.verb == "claim":
        for was, now in changed(call):
            expected = was._replace(
                state="processing",
                worker=call.order.worker,
                locked_by=None,
                lease_until=call.order.lease_until,
                due_at=None,
                fence=was.fence + 1,
                version=was.version + 1,
                attempt=was.attempt + 1,
                detail=now.detail,
                ahead=now.ahead,
                key_held=now.key_held,
            )
            if now != expected:
                yield f"{was.id}: {difference(expected, now)}"


def stale_hands_change_nothing(call: Call) -> Broken:
    """Only the claim that holds a job ends it or renews it."""
    who = call.who
    for was, _ in changed(call):
        if call.verb == "hold":
            orders = [order for order in call.order if order.id == was.id]
            good = [o for o in orders if (was.worker, was.fence) == (o.worker, o.fence)]
            if orders[0].fence is not None and not good:
                yield f"{was.id} was renewed for {orders[0].worker}/{orders[0].fence}, {_of(was)}"
        elif who.acts == "unlocks":
            if holder(was) != who.name or not is_held(was, call.order[2]):
                yield f"{was.id} was unlocked by {who.name}, {_of(was)}"
        elif who.acts == "buries":
            # One that was cancelled meanwhile is held by its run, and so to its death.
            runs = was.state in ("processing", "deleted") and was.locked_by is None
            if not runs or was.worker != call.order[1]:
                yield f"{was.id} was buried with {call.order[1]}, {_of(was)}"
        elif call.verb in ("swap", "let_go") and who.acts in ("records", "hands back", "claims"):
            ends = who.ends
            mine = ends is None or any((was.seq, was.fence) == (e.seq, e.fence) for e in ends)
            if was.worker != who.name or not mine:
                yield f"{was.id} was ended by {who.name}, {_of(was)}"
            elif call.verb == "swap" and was.state != "processing":
                yield f"{was.id} was ended by {who.name}, and it was {was.state} before"


def _of(row: Row) -> str:
    return f"and its claim is {row.worker}/{row.fence}"


def outcomes_name_their_claim(call: Call) -> Broken:
    """What a run leaves in the record is the last claim's."""
    if call.verb == "swap" and call.who.acts == "records":
        for _, now in changed(call):
            for worker, fence in MARK.findall(now.detail):
                if (worker, int(fence)) != (now.worker, now.fence):
                    yield f"{now.id} has the outcome of claim {worker}/{fence}, {_of(now)}"


def rescue_takes_orphans(call: Call) -> Broken:
    """A rescue takes only jobs whose lease has lapsed."""
    if call.verb == "swap" and call.who.acts == "rescues":
        for was, now in changed(call):
            if was.state != "processing" or was.lease_until is None or is_held(was, call.now):
                yield f"{was.id} was taken from {was.worker}, whose lease lasts"
            elif now.state == "processing":
                yield f"{was.id} is still processing"


def leases_last_until_the_end(call: Call) -> Broken:
    """Cancelling or updating a running job leaves its lease to the run."""
    if call.verb == "swap" and call.who.acts in ("cancels", "cancels many", "updates"):
        for was, now in changed(call):
            if (was.lease_until, was.worker) != (now.lease_until, now.worker):
                yield f"the lease of {was.id} changed"


def who_waits_is_free(call: Call) -> Broken:
    """A job that waits is held by nobody, and one that runs by a worker."""
    for row in call.after.values():
        waits = row.state in ("enqueued", "scheduled", "awaiting_retry")
        if waits and row.lease_until is not None and row.locked_by is None:
            yield f"{row.id}, {row.state}, is held by {row.worker}"
        if row.state == "processing" and (row.lease_until is None or row.worker is None):
            yield f"{row.id} is processing, and nobody has it"

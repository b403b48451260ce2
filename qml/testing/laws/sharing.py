"""Laws of what jobs share: limits, rates, paused queues, batches, and the ends of others."""

from collections.abc import Iterator, Sequence

from ...seam.lanes import Lane, decode
from ...seam.rows import Claim, Row
from .calls import Broken, Call, arrived, is_dormant, is_held, named, set_once

NO_LANE = Lane("")


def lane_of(row: Row) -> Lane:
    """The limits of a row."""
    return NO_LANE if row.lane is None else decode(row.lane)


def lives(row: Row, now: int) -> bool:
    """Whether a claim of the row is live at ``now``."""
    return is_held(row, now) and row.locked_by is None


def permits_are_kept(call: Call) -> Broken:
    """Of a concurrency key no more claims are live than it allows.

    Asked whenever one begins or lives again."""
    if call.verb not in ("claim", "hold"):
        return
    for job_id, row in call.after.items():
        was = call.before.get(job_id)
        if row.permit is None or not lives(row, call.now) or (was and lives(was, call.now)):
            continue
        live = [one.id for one in call.after.values() if _uses(one, row.permit, call.now)]
        if len(live) > (lane_of(row).permits or 0):
            yield f"{row.id} runs, of key {row.permit} {live}, and {lane_of(row).permits} may"


def _uses(row: Row, permit: str, now: int) -> bool:
    return row.permit == permit and lives(row, now)


def rates_are_kept(call: Call) -> Broken:
    """Jobs of a rate start no faster than it says."""
    if call.verb != "claim":
        return
    for row in call.answer.rows:
        lane = lane_of(row)
        if lane.pace is None or lane.gap is None or has_expired(row, call.order):
            continue
        starts = call.shared.starts[lane.pace]
        for back, start in enumerate(reversed(starts[:-1]), 1):
            spare = lane.burst or 1
            if starts[-1] - start < (back - spare + 1) * lane.gap:
                yield f"{row.id} started at {starts[-1]}, and {back} before it since {start}"


def has_expired(row: Row, claim: Claim) -> bool:
    """Whether a claim comes too late for the row: it is taken to be ended, and starts nothing."""
    return row.expires_at is not None and row.expires_at <= claim.now


def paused_queues_rest(call: Call) -> Broken:
    """Of a paused queue no job is claimed."""
    if call.verb == "claim":
        for row in call.answer.rows:
            if row.queue in call.shared.paused:
                yield f"{row.id} was taken, and its queue {row.queue} is paused"


def passing(rows: Sequence[Row], call: Call) -> Iterator[Row]:
    """Those of the ``rows`` that a claim may take, each after those before it."""
    claim: Claim = call.order
    live = [row.permit for row in call.before.values() if lives(row, claim.now)]
    starts = {pace: list(known) for pace, known in call.shared.started.items()}
    for row in rows:
        lane = lane_of(row)
        full = lane.permits is not None and live.count(lane.permit) >= lane.permits
        known = starts.setdefault(lane.pace or "", [])
        if full or opens_at(lane, known) > claim.now or row.queue in call.shared.paused:
            continue
        live.append(lane.permit)
        known += [] if has_expired(row, claim) else [claim.now]
        yield row


def paced(lane: Lane, starts: Sequence[int]) -> int:
    """Up to when the starts of a rate have been given out."""
    time = 0
    for start in starts:
        time = max(time, start) + (lane.gap or 0)
    return time


def opens_at(lane: Lane, starts: Sequence[int]) -> int:
    """From when on a rate allows another start."""
    return paced(lane, starts) - ((lane.burst or 1) - 1) * (lane.gap or 0)


def who_waits_is_woken(call: Call) -> Broken:
    """Who waits for others falls due in the step in which nothing is left of them, and once."""
    over, by_name = call.shared.over, named(call)
    for job_id, was in call.before.items():
        if not is_dormant(was) or job_id in by_name:
            continue
        now = call.after.get(job_id)
        if was.awaits not in over:
            if now is not None and now.due_at is not None:
                yield f"{job_id} was woken, and not all have ended that it waits for"
            continue
        never = over[was.awaits] > 0 and was.needs_all
        expires = 0 if never else was.expires_at
        if now != was._replace(due_at=0, version=was.version + 1, expires_at=expires):
            yield f"{job_id} was not woken, and all have ended that it waits for"
    for row in arrived(call) if call.verb == "insert" else ():
        if row.awaits is not None and is_dormant(row) != (row.awaits in call.shared.groups):
            yield f"{row.id} {'waits' if is_dormant(row) else 'is due'}, and comes after others"


def parents(row: Row) -> Sequence[str]:
    """The ids of the jobs that a row is to come after."""
    found: Sequence[str] = set_once(row).get("after", ())
    return found

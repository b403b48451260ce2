"""Reads the history of a run and names everything that must not happen.

It knows no process and no store. Each rule is a function that yields faults as sentences. Times are
microseconds; a claim is known by its begin and its end, so two claims are called out of order only
if one began after the other had returned.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from . import conduct
from .case import Case, Faults
from .history import NEVER, Claim, History

SLACK = 200_000
"""By how much the clocks of two processes may differ: each sets its own by half a round trip."""


def no_job_is_lost(case: Case) -> Faults:
    """Every acknowledged job is there and succeeded, or has used up its attempts."""
    for job in (job for call in case.history.calls if call.stored for job in call.jobs):
        stored = case.stored.get(job)
        if stored is None:
            yield f"job {job} was acknowledged and is not in the store"
        elif stored.state == "failed" and stored.exception.startswith("WorkerLost"):
            if stored.attempt < stored.max_attempts:
                yield f"job {job} failed with attempts left ({stored.attempt})"
        elif stored.state != "succeeded":
            yield f"job {job} was acknowledged and ended {stored.state}: {stored.exception}"


def nothing_is_left(case: Case) -> Faults:
    """Acknowledged or not, what is in the store has come to an end."""
    if case.drained is None:
        yield "the rest was not done in time after the last kill"
    for stored in case.stored.values():
        if stored.state not in ("succeeded", "failed"):
            yield f"job {stored.id} was left {stored.state}"


def an_enqueue_is_all_or_nothing(case: Case) -> Faults:
    """Jobs enqueued in one call are all there or none; nothing is there that nobody enqueued."""
    for call in case.history.calls:
        there = sum(job in case.stored for job in call.jobs)
        if there not in (0, len(call.jobs)):
            yield f"of {len(call.jobs)} jobs of one call {there} are there: {call.jobs[0]}, ..."
    meant = {job for call in case.history.calls for job in call.jobs}
    for job in case.stored.keys() - meant:
        yield f"job {job} is in the store and nobody enqueued it"


def refusals_are_true(case: Case) -> Faults:
    """A call is refused if, and only if, one of its ids was taken; then it stored nothing."""
    for call in case.history.calls:
        job = call.jobs[0]
        if call.answer == "refusal" and not call.again and call.taken is None:
            yield f"job {job} was refused as stored already, in the only call that it was given in"
        if call.taken is not None and call.answer == "ack":
            yield f"job {job} was accepted beside one whose id was taken ({call.taken})"
        if call.taken is not None and job in case.stored:
            yield f"job {job} is in the store, though it stood beside one whose id was taken"


def a_fence_is_given_once(case: Case) -> Faults:
    """No two claims and no two runs of a job bear the same fence."""
    for name, found in (("claims", case.history.claims), ("runs", case.history.runs)):
        for job, items in found.items():
            for fence, times in Counter(item.fence for item in items).items():
                if times > 1:
                    yield f"job {job}: {times} {name} bear fence {fence}"


def fences_rise(case: Case) -> Faults:
    """A later claim has a higher fence, and the store remembers the highest."""
    for job, claims in case.history.claims.items():
        for first, second in pairwise(claims):
            if first.began > second.at:
                yield f"job {job}: fence {first.fence} was given after {second.fence}"
        stored = case.stored.get(job)
        if stored is not None and stored.fence < claims[-1].fence:
            yield f"job {job}: the store knows fence {stored.fence} of {claims[-1].fence}"


def no_two_claims_live(case: Case) -> Faults:
    """When a claim is made, the one before is over: somebody ended it, or its lease lapsed."""
    for job, first, second in _successions(case):
        if not first.ended_by_holder(second.at) and first.until > second.at + SLACK:
            yield f"job {job}: claim {second.fence} was made while {first.fence} was live"


def claims_end_for_a_reason(case: Case) -> Faults:
    """A job is taken from its holder only if that was killed or stood still past its lease."""
    for job, first, second in _successions(case):
        ended = first.ended_by_holder(second.at)
        if not ended and not _taken_for_a_reason(case.history, first, second.at):
            yield (
                f"job {job}: claim {first.fence} of life {first.life} lapsed though the process "
                "was alive and running"
            )


def rescue_waits_for_the_lease(case: Case) -> Faults:
    """A rescue takes nothing whose lease still holds."""
    for claim in _claims(case):
        for note in claim.ended:
            early = claim.until - note["at"]
            if note["rescue"] and note["verdict"] == "done" and early > SLACK:
                yield f"job {claim.job}: rescued {early / 1e6:.3f} s before its lease lapsed"


def no_two_runs_overlap(case: Case) -> Faults:
    """A run starts after the one before has ended, died, or stood still past its lease."""
    history = case.history
    for job, runs in history.runs.items():
        claims = {claim.fence: claim for claim in history.claims.get(job, ())}
        for first, second in pairwise(runs):
            dead = history.lives[first.life].dead or NEVER
            over = first.ended if first.ended is not None else dead
            killed = history.killed_by(first.life, second.started)
            claim = claims.get(first.fence)
            lapsed = claim is not None and _lapsed_standing(history, claim, second.started)
            if second.started < over and not killed and not lapsed:
                yield f"job {job}: runs {first.fence} and {second.fence} overlap in time"


def a_repeat_has_a_reason(case: Case) -> Faults:
    """A job runs again only because the process of the run before was killed or stood still."""
    history = case.history
    for job, runs in history.runs.items():
        claims = {claim.fence: claim for claim in history.claims.get(job, ())}
        for first, second in pairwise(runs):
            claim = claims.get(first.fence)
            if claim is None:
                yield f"job {job}: run {first.fence} without a claim"
            elif not _taken_for_a_reason(history, claim, second.started):
                yield f"job {job} ran again (fence {second.fence}) for no reason"


def runs_belong_to_claims(case: Case) -> Faults:
    """Only the process that claimed a job runs it, after it claimed it."""
    claims = {(claim.job, claim.fence): claim for claim in _claims(case)}
    for job, runs in case.history.runs.items():
        for run in runs:
            claim = claims.get((job, run.fence))
            if claim is None or claim.life != run.life:
                yield f"job {job}: life {run.life} ran fence {run.fence}, which it did not claim"
            elif run.ended is None and case.history.lives[run.life].killed is None:
                yield f"job {job}: run {run.fence} did not end, and nobody killed it"


def outcomes_stand(case: Case) -> Faults:
    """An outcome that was accepted is what the store shows, and no claim follows it."""
    for job, claims in case.history.claims.items():
        for claim in claims:
            for note in claim.ended:
                if note["verdict"] != "done" or note["state"] != "succeeded":
                    continue
                if claims[-1].fence > claim.fence:
                    yield f"job {job} was claimed again after fence {claim.fence} succeeded"
                stored = case.stored.get(job)
                if stored is None or stored.result != [claim.life, claim.fence]:
                    yield f"job {job}: fence {claim.fence} succeeded, the store has another outcome"


def outcomes_come_from_runs(case: Case) -> Faults:
    """What the store calls succeeded was run to its end by the claim it names."""
    ended = {
        (run.job, run.life, run.fence)
        for runs in case.history.runs.values()
        for run in runs
        if run.ended is not None
    }
    for stored in case.stored.values():
        if stored.state == "succeeded" and (stored.id, *stored.result) not in ended:
            yield f"job {stored.id} succeeded by {stored.result}, a run that nobody saw end"


def stale_hands_change_nothing(case: Case) -> Faults:
    """Once a job was claimed anew, no end and no renewal of an older claim is accepted."""
    for job, first, second in _successions(case):
        for note in (*first.ended, *first.renewals):
            if note["verdict"] == "done" and note["began"] > second.at:
                yield (
                    f"job {job}: {note['kind']} by fence {first.fence} was accepted after fence "
                    f"{second.fence} was given"
                )


RULES: tuple[Callable[[Case], Faults], ...] = (
    no_job_is_lost,
    nothing_is_left,
    an_enqueue_is_all_or_nothing,
    refusals_are_true,
    a_fence_is_given_once,
    fences_rise,
    no_two_claims_live,
    claims_end_for_a_reason,
    rescue_waits_for_the_lease,
    no_two_runs_overlap,
    a_repeat_has_a_reason,
    runs_belong_to_claims,
    outcomes_stand,
    outcomes_come_from_runs,
    stale_hands_change_nothing,
    *conduct.RULES,
)


def faults(case: Case) -> list[tuple[str, str]]:
    """Everything that must not have happened, as (rule, sentence)."""
    return [(rule.__name__, fault) for rule in RULES for fault in rule(case)]


def _claims(case: Case) -> Iterable[Claim]:
    return (claim for claims in case.history.claims.values() for claim in claims)


def _successions(case: Case) -> Iterator[tuple[str, Claim, Claim]]:
    for job, claims in case.history.claims.items():
        for first, second in pairwise(claims):
            yield job, first, second


def _taken_for_a_reason(history: History, claim: Claim, moment: int) -> bool:
    return history.killed_by(claim.life, moment) or _lapsed_standing(history, claim, moment)


def _lapsed_standing(history: History, claim: Claim, moment: int) -> bool:
    """Whether the lease lapsed by ``moment`` because the process stood still."""
    return claim.until <= moment + SLACK and history.stalled(claim)

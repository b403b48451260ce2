"""Checks of what a run says of itself: progress and log, by the hand that holds the claim."""

import attrs

from ...values.job import Job
from ...values.notes import NO_NOTES, LogLine, Notes
from ...values.states import StateKind, Succeeded
from .scene import Scene

AWKWARD = "half \0 way, 😀 \u202e '; --"


def _notes(s: Scene, message: str) -> Notes:
    lines = [LogLine(s.clock.now(), 1, "begun"), LogLine(s.clock.now(), 2, message)]
    return NO_NOTES.with_progress(0.5, message, s.clock.now()).with_lines(lines)


def _refused(s: Scene, stale: Job) -> None:
    with s.unchanged():
        s.same(s.storage.note(stale, _notes(s, "stale")), False, "the notes of a stale claim")
        s.same(s.storage.note_many([(stale, _notes(s, "stale"))]), [False], "the same in a batch")


def notes_are_stored_with_the_job(s: Scene) -> None:
    """2: what a run notes is read with the job, replaces what it noted before, renews the lease,
    and raises no version; it stays when the run has ended."""
    claimed = s.running()
    s.same(claimed.notes, NO_NOTES, "the notes of a new job")
    s.clock.advance(7)
    notes = _notes(s, AWKWARD)
    s.same(s.storage.note(claimed, notes), True, "the answer")
    found = s.get()
    s.same(found.notes, notes, "the notes")
    s.same((found.version, found.lease_expires_at), (claimed.version, s.later(30)), "the rest")
    s.same(s.storage.note(claimed, _notes(s, "b"), 60), True, "the answer to others")
    s.same(s.get().notes, _notes(s, "b"), "what replaced them")
    s.same(s.get().lease_expires_at, s.later(60), "the lease as asked")
    s.storage.finish(claimed, Succeeded())
    s.same(s.get().notes, _notes(s, "b"), "the notes when the run has ended")


def a_renewal_leaves_the_notes(s: Scene) -> None:
    """2: a renewal without news leaves the notes as they are; so do update, retry and the next
    claim, until that one notes something."""
    claimed = s.running(max_retries=3)
    notes = _notes(s, "first")
    s.storage.note(claimed, notes)
    s.storage.renew([claimed])
    s.same(s.get().notes, notes, "after a renewal")
    s.storage.update(attrs.evolve(s.get(), metadata={"n": 1}, notes=NO_NOTES))
    s.same(s.get().notes, notes, "after an update")
    s.storage.finish(claimed, s.failed())
    s.storage.retry("a")
    again = s.claim()
    s.same(again.notes, notes, "of the next claim")
    s.same(s.storage.note(again, NO_NOTES), True, "their removal")
    s.same(s.get().notes, NO_NOTES, "then")


def a_stale_hand_notes_nothing(s: Scene) -> None:
    """Law 5: notes are accepted only from the claim that holds the job, same worker and same fence,
    also when the same worker claimed it again; a stale hand changes nothing at all."""
    first = s.running(max_retries=9)
    s.storage.release(first)
    _refused(s, first)
    again = s.claim("w1")
    s.storage.note(again, _notes(s, "mine"))
    _refused(s, first)
    s.same(s.get().notes, _notes(s, "mine"), "the notes of the live claim")
    s.storage.finish(again, s.retry_in(0))
    _refused(s, again)
    third = s.claim("w2")
    _refused(s, again)
    s.storage.finish(third, Succeeded())
    _refused(s, third)


def a_lost_claim_notes_nothing(s: Scene) -> None:
    """Law 5: so it is with a claim that was rescued, taken over, or whose job was enqueued anew."""
    rescued = s.running("rescued", max_retries=9)
    taken = s.running("taken")
    gone = s.running("gone")
    s.clock.advance(30)
    s.same(s.storage.note(rescued, _notes(s, "late")), True, "of a lapsed claim that nobody took")
    s.storage.try_acquire_job_lock("taken", "w1", 60)
    _refused(s, taken)
    s.storage.delete("gone")
    _refused(s, gone)
    s.storage.enqueue(s.job("gone", priority=9))
    s.same(s.claim("w1").fence, gone.fence, "the fence of the new job")
    _refused(s, gone)
    s.clock.advance(30)
    s.storage.rescue()
    _refused(s, rescued)


def notes_in_a_batch_stand_alone(s: Scene) -> None:
    """2: note_many answers each in order; a stale one stops no other, and not all have news."""
    claims = [s.running(name) for name in "abcd"]
    s.storage.delete("b")
    s.storage.note(claims[2], _notes(s, "before"))
    s.clock.advance(5)
    news = [(claim, None if claim.id == "c" else _notes(s, claim.id)) for claim in claims]
    s.same(s.storage.note_many(news), [True, False, True, True], "the answers")
    found = [s.get(name) for name in "acd"]
    messages = [job.notes.progress and job.notes.progress.message for job in found]
    s.same(messages, ["a", "before", "d"], "the notes")
    s.same({job.lease_expires_at for job in found} == {s.later(30)}, True, "all leases renewed")
    s.same(s.storage.note_many([]), [], "an empty batch")


def the_run_of_a_cancelled_job_notes_nothing(s: Scene) -> None:
    """2, 5: of a job that was cancelled the notes stay; its run goes on holding the lease."""
    claimed, before = s.running(), _notes(s, "before")
    s.storage.note(claimed, before)
    s.storage.cancel("a")
    s.clock.advance(5)
    s.same(s.storage.note(claimed, _notes(s, "after")), True, "the answer")
    found = s.get()
    s.same((found.state.kind, found.notes), (StateKind.DELETED, before), "what is stored")
    s.same(found.lease_expires_at, s.later(30), "the lease")

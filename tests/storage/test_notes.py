"""What runs say of themselves: bounded, kept by every store, and written by one hand alone."""

import attrs
import pytest

from qml import Enqueued, Job, Succeeded
from qml.values.notes import LINES_KEPT, NO_NOTES, LogLine, Notes
from tests.work.support import Counting, Paused

HARD = "\0 😀 👩‍👩‍👧 \u202e \ufeff '; -- \\ \" \x7f \u2028"


@pytest.fixture
def claimed(storage):
    storage.enqueue(Job("t", id="a"))
    return storage.fetch_and_lock_job("w")


def noted(storage, message="half way", lines=1):
    told = [LogLine(storage.now(), 1, f"{message} {number}") for number in range(lines)]
    return NO_NOTES.with_progress(0.5, message, storage.now()).with_lines(told)


@pytest.mark.parametrize("fraction", [0, 1, 0.1, -0.0, 5e-324, 1e308, -3])
def test_each_fraction_comes_back(storage, claimed, fraction):
    notes = NO_NOTES.with_progress(fraction, HARD, storage.now())
    assert storage.note(claimed, notes)
    found = storage.get("a").notes
    assert found == notes
    assert repr(found.progress.fraction) == repr(fraction)


def test_the_longest_notes_come_back(storage, claimed):
    line = LogLine(storage.now(), 1, (HARD * 20)[:200])
    notes = NO_NOTES.with_progress(1, HARD * 100, storage.now()).with_lines([line] * 300)
    assert len(notes.log) <= LINES_KEPT
    assert storage.note(claimed, notes)
    for _ in range(2):
        assert storage.get("a").notes == notes
        assert storage.list()[0].notes == notes
        storage.update(storage.get("a").with_metadata(n=1))


def test_notes_are_read_wherever_the_job_is(storage, claimed, clock):
    notes = noted(storage)
    storage.note(claimed, notes)
    clock.advance(30)
    [rescued] = storage.rescue()
    assert rescued.notes == notes
    assert storage.retry("a").notes == notes
    assert storage.get_available_jobs()[0].notes == notes
    assert storage.fetch_and_lock_job("w").notes == notes
    assert storage.cancel("a").notes == notes
    assert Job.from_json(storage.get("a").to_json()).notes == notes


def test_a_batch_of_notes_is_one_step(storage, clock):
    storage.enqueue_many([Job("t", id=str(number)) for number in range(100)])
    jobs = storage.fetch_available_jobs_atomic("w", 100)
    storage.driver = counting = Counting(storage.driver)
    news = [(job, None if int(job.id) % 3 else noted(storage, job.id)) for job in jobs]
    assert storage.note_many(news) == [True] * 100
    assert counting.calls == {"hold": 1}
    for job, notes in news:
        assert storage.get(job.id).notes == (notes or NO_NOTES)


def test_law5_who_has_lost_the_job_between_two_notes_writes_no_more(storage, claimed, clock):
    """The same worker has claimed it again by the moment when the older run's notes arrive."""
    mine = noted(storage, "mine")

    def meanwhile():
        storage.release(claimed)
        assert storage.note(storage.fetch_and_lock_job("w"), mine)

    pause = storage.driver = Paused(storage.driver)
    pause.before["hold"] = meanwhile
    assert not storage.note(claimed, noted(storage, "stale"))
    assert storage.get("a").notes == mine


@pytest.mark.parametrize("forged", [{"fence": 2}, {"seq": 10**6}], ids=["fence", "seq"])
def test_law5_fence_and_place_count(storage, claimed, forged):
    assert not storage.note(attrs.evolve(claimed, **forged), noted(storage))
    assert storage.get("a").notes == NO_NOTES


def test_what_is_no_claim_notes_nothing(storage, claimed):
    assert not storage.note(attrs.evolve(claimed, state=Enqueued()), noted(storage))
    assert storage.get("a").notes == NO_NOTES


def test_notes_raise_no_version_and_stop_no_update(storage, claimed):
    seen = storage.get("a")
    assert storage.note(claimed, noted(storage))
    assert storage.update(seen.with_metadata(n=1)).version == seen.version + 1
    assert storage.get("a").notes == noted(storage)


def test_a_finish_leaves_the_notes(storage, claimed):
    assert storage.note(claimed, noted(storage))
    storage.finish(claimed, Succeeded())
    assert storage.get("a").notes == noted(storage)


def test_notes_that_a_job_is_given_with_are_kept(storage):
    """As by ``qml copy``."""
    notes = Notes(None, (LogLine(storage.now(), 3, "elsewhere"),))
    job = storage.enqueue(Job("t", notes=notes))
    assert storage.get(job.id).notes == notes

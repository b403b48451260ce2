"""What callers may give by mistake: refused alike by every store, and by name."""

import enum

import pytest

from qml import (
    ConfigurationError,
    Failed,
    Job,
    JobAlreadyExists,
    JobFilter,
    JobNotFound,
    SerializationError,
    Succeeded,
    UniqueKeyTaken,
)


@pytest.mark.parametrize("wrong", ["\0", "a\0b", "\ud800"])
def test_what_can_be_no_id_is_no_job_s_in_any_store(storage, wrong):
    """A shell hands over a byte that is no text as a lone surrogate: qml jobs show $'\\xff'."""
    storage.enqueue(Job("t", id="a"))
    assert storage.get(wrong) is None
    assert [job and job.id for job in storage.get_many([wrong, "a"])] == [None, "a"]
    assert not storage.delete(wrong)
    assert not storage.try_acquire_job_lock(wrong, "w", 5)
    assert not storage.release_job_lock(wrong, "w")
    for verb in (storage.cancel, storage.retry, storage.wait):
        with pytest.raises(JobNotFound, match="does not exist"):
            verb(wrong)


@pytest.mark.parametrize("wrong", [None, 7, b"id", ["a"]])
def test_an_id_is_text(storage, wrong):
    verbs = (storage.get, storage.delete, storage.cancel, storage.retry, storage.wait)
    for verb in verbs:
        with pytest.raises(ConfigurationError, match="job id is"):
            verb(wrong)


@pytest.mark.parametrize("wrong", ["\0", "\ud800", None, 7])
def test_what_no_schedule_is_called_is_refused_alike(storage, wrong):
    schedules = storage.schedules
    for verb in (schedules.get, schedules.remove, schedules.trigger, schedules.pause):
        with pytest.raises((ConfigurationError, SerializationError)):
            verb(wrong)


@pytest.mark.parametrize("wrong", ["\0", "\ud800", 7])
@pytest.mark.parametrize("field", ["queue", "method", "batch"])
def test_a_filter_by_what_is_no_name_is_refused(storage, field, wrong):
    with pytest.raises((ConfigurationError, SerializationError)):
        storage.count(JobFilter(**{field: wrong}))
    if field != "batch":
        with pytest.raises((ConfigurationError, SerializationError)):
            storage.list(**{field: wrong})


@pytest.mark.parametrize("limit", [None, -1, "", 1.5, True, 2**63])
def test_upkeep_is_told_how_many_by_a_number(storage, limit):
    """SQLite takes -1 for all; others had errors of their own."""
    for upkeep in (storage.rescue, storage.expire, storage.purge):
        with pytest.raises(ConfigurationError, match="limit is"):
            upkeep(limit)
        assert not upkeep(0)


@pytest.mark.parametrize("huge", [2**63 - 1, 2**63, 10**30])
def test_however_many_are_asked_for_means_all_there_are(storage, huge):
    """Each store had its own error, or let another library's through."""
    storage.enqueue_many([Job("t", id="a"), Job("t", id="b")])
    assert [job.id for job in storage.list(limit=huge)] == ["b", "a"]
    assert [job.id for job in storage.list(limit=huge, offset=1)] == ["a"]
    for limit in (None, 2, huge):
        assert storage.list(limit=limit, offset=huge) == []
    assert [job.id for job in storage.get_available_jobs(huge)] == ["a", "b"]
    assert [job.id for job in storage.fetch_available_jobs_atomic("w", huge)] == ["a", "b"]
    assert storage.rescue(2**63 - 1) == storage.expire(2**63 - 1) == []
    assert storage.purge(2**63 - 1) == 0


@pytest.mark.parametrize("wrong", [None, -1, "1", 1.0, True])
def test_a_claim_is_told_how_many_by_a_number(storage, wrong):
    """SQLite took -1 for all of them."""
    storage.enqueue(Job("t"))
    with pytest.raises(ConfigurationError, match=r"limit is .*; give a whole number"):
        storage.claim("w", wrong)
    with pytest.raises(ConfigurationError, match=r"ahead is .*; give a whole number"):
        storage.claim("w", 1, ahead=wrong)


@pytest.mark.parametrize("counter", ["version", "attempt", "fence"])
def test_a_record_made_by_hand_leaves_room_to_count_on(storage, counter):
    """At the end of its numbers PostgreSQL refused each claim, of this job and all others."""
    for most in (2**53, 2**63 - 1):
        with pytest.raises(ConfigurationError, match=f"its {counter} is {most:,}; a job is stored"):
            storage.enqueue(Job("t", **{counter: most}))
    storage.enqueue_many([Job("t", id="a", **{counter: 2**52}), Job("t", id="b")])
    first, second = storage.fetch_available_jobs_atomic("w")
    assert getattr(first, counter) == 2**52 + 1
    storage.finish_many([(first, Failed(exception="E")), (second, Succeeded())])
    assert storage.retry("a").state.kind == "enqueued"
    assert storage.fetch_and_lock_job("w").id == "a"


@pytest.mark.parametrize("timeout", ["5", True, float("nan"), [1]])
def test_how_long_to_wait_is_a_number(storage, timeout):
    storage.enqueue(Job("t", id="a"))
    with pytest.raises(ConfigurationError, match="timeout is "):
        storage.wait("a", timeout)


@pytest.mark.parametrize("rule", ["0 9 * * *", 60, None])
def test_a_schedule_goes_by_a_rule(storage, rule):
    with pytest.raises(ConfigurationError, match=r"schedule rule is .*; give a Cron, such as"):
        storage.schedules.add("s", rule, Job("t"))


class Place(str, enum.Enum):  # noqa: UP042 - whose text says "Place.MAIL", as StrEnum's does not
    """Names that a program keeps in an enum."""

    MAIL = "mail"
    POST = "pöst"


@pytest.mark.parametrize("name", Place)
def test_a_name_may_be_a_member_of_an_enum_and_comes_back_as_plain_text(storage, name):
    """Memory kept the member, and could then give back no job of that queue; those with an umlaut
    were refused, and so was each of them where jobs are looked for."""
    job = Job(name, id=name, queue=name, unique_key=name, job_type=name, batch=name)
    storage.enqueue(job)
    assert storage.enqueue(Job("t", unique_key=name.value), on_conflict="existing").id == name.value
    assert [job.id for job in storage.list(queue=name, method=name)] == [name.value]
    where = JobFilter(queue=name, method=name, batch=name, ids=[name])
    assert storage.count(where) == 1
    assert storage.try_acquire_job_lock(name, name, 5)
    claimed = storage.fetch_and_lock_job(name, [name], server_name=name)
    assert storage.release(claimed).state.queue == name.value
    claimed = storage.fetch_and_lock_job(name, [name])
    storage.end_claims(name)
    (rescued,) = storage.rescue()
    for found in (job, claimed, rescued, storage.get(name)):
        texts = [found.method, found.id, found.queue, found.unique_key, found.job_type, found.batch]
        assert {type(text) for text in texts} == {str}
        assert set(texts) == {name.value}
    assert type(claimed.state.worker_id) is str
    assert storage.cancel(name).state.kind == "deleted"
    assert storage.delete(name)


def test_what_is_given_twice_is_not_said_to_be_stored(storage):
    with pytest.raises(JobAlreadyExists, match=r"job b .* was given twice; give each id once; 3"):
        storage.enqueue_many([Job("t", id="b"), Job("t", id="c"), Job("t", id="b")])
    one, other = Job("t", id="b", unique_key="k"), Job("t", id="c", unique_key="k")
    with pytest.raises(UniqueKeyTaken, match="is that of job b, too, which was given") as caught:
        storage.enqueue_many([one, other])
    assert caught.value.job_id == "b"
    storage.enqueue(one)
    for given in ([one, one], [one, other], [other, one]):
        with pytest.raises((JobAlreadyExists, UniqueKeyTaken), match=r"stored already|is held by"):
            storage.enqueue_many(given)
    assert storage.get("c") is None


@pytest.mark.parametrize("wrong", [None, "t", Job, {"method": "t"}])
def test_what_is_no_job_is_refused_and_nothing_stored(storage, wrong):
    """Else it was an AttributeError from deep within."""
    storage.enqueue(Job("t", id="a"))
    claimed = storage.fetch_and_lock_job("w")
    verbs = (storage.enqueue, storage.update, storage.release, lambda job: storage.renew([job]))
    for verb in (*verbs, lambda job: storage.finish(job, Succeeded())):
        with pytest.raises(ConfigurationError, match=r"job is .*; give a Job"):
            verb(wrong)
    for on_conflict in ("raise", "existing", "replace"):
        with pytest.raises(ConfigurationError, match=r"job is .*; give a Job"):
            storage.enqueue_many([Job("t"), wrong], on_conflict=on_conflict)
    for many in (None, "abc", Job("t")):
        with pytest.raises(ConfigurationError, match=r"jobs is .*; give a list of jobs"):
            storage.enqueue_many(many)
    for state in (None, "succeeded", Succeeded):
        with pytest.raises(ConfigurationError, match="give a state, such as"):
            storage.finish(claimed, state)
    assert [job.id for job in storage.list()] == ["a"]
    assert storage.finish(claimed, Succeeded()).state.kind == "succeeded"


@pytest.mark.parametrize("wrong", [None, "failed", {"states": "failed"}, JobFilter])
def test_a_filter_is_a_job_filter(storage, wrong):
    """Else it was an AttributeError."""
    storage.enqueue(Job("t", id="a"))
    bulk = (storage.cancel_many, storage.retry_many, storage.delete_many)
    for verb in (storage.count, storage.select, storage.page, *bulk):
        with pytest.raises(ConfigurationError, match=r"where is .*; give a JobFilter"):
            verb(wrong)
    assert storage.get("a").state.kind == "enqueued"

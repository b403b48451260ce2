"""What ``on_conflict`` promises: one row for a key, whoever comes when, and nothing lost."""

import attrs
import pytest

from qml import (
    AwaitingRetry,
    ConfigurationError,
    Enqueued,
    Failed,
    Job,
    JobAlreadyExists,
    JobLost,
    Processing,
    Retention,
    Scheduled,
    StorageUnavailable,
    Succeeded,
    UniqueKeyTaken,
)
from qml.seam import codec
from qml.storage import conflicts
from qml.testing import FaultyDriver
from tests.field.test_ownership import in_threads
from tests.work.support import Counting, Paused

OTHERS = ("existing", "replace")


def keyed(number=0, **settings):
    return Job("t", [number], **{"unique_key": "k", **settings})


@pytest.fixture
def told(storage):
    """The events so far, as (kind, id, arguments)."""
    events = []
    storage.hooks.on(
        None, lambda event: events.append((event.kind.value, event.job.id, event.job.arguments))
    )
    return events


@pytest.fixture
def paused(storage):
    storage.driver = Paused(storage.driver)
    return storage.driver


# -- without a conflict ----------------------------------------------------------------------------


@pytest.mark.parametrize("policy", OTHERS)
def test_a_free_key_is_taken_and_no_key_is_no_conflict(storage, told, policy):
    jobs = [keyed(1), Job("t", [2]), Job("t", [3]), keyed(4, unique_key="other")]
    stored = storage.enqueue_many(jobs, on_conflict=policy)
    assert [job.id for job in stored] == [job.id for job in jobs]
    assert storage.list() == stored[::-1]
    assert [kind for kind, *_ in told] == ["enqueued"] * 4
    assert storage.enqueue_many([], on_conflict=policy) == []


@pytest.mark.parametrize("policy", OTHERS)
def test_without_a_conflict_it_costs_one_call(storage, policy):
    storage.driver = counting = Counting(storage.driver)
    storage.enqueue_many([keyed(), Job("t")], on_conflict=policy)
    assert counting.calls == {"insert": 1}


@pytest.mark.parametrize("wrong", ["ignore", None, True, ["raise"]])
def test_a_wrong_policy_is_refused_and_the_known_ones_named(storage, wrong):
    with pytest.raises(ConfigurationError, match="'raise', 'existing', 'replace'"):
        storage.enqueue(keyed(), on_conflict=wrong)
    assert storage.list() == []


def test_a_refusal_says_how_to_share(storage):
    holder = storage.enqueue(keyed())
    with pytest.raises(UniqueKeyTaken, match=r"\(t\).*'k' is held by.*on_conflict='existing'") as e:
        storage.enqueue(keyed())
    assert e.value.job_id == holder.id


# -- existing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [False, True])
def test_existing_answers_with_the_holder(storage, told, runs):
    storage.enqueue(keyed(1))
    if runs:
        storage.fetch_and_lock_job("w")
    [holder] = storage.list()
    del told[:]
    assert storage.enqueue(keyed(2), on_conflict="existing") == holder
    assert storage.list() == [holder]
    assert told == []  # nothing happened


@pytest.mark.parametrize("policy", OTHERS)
def test_a_taken_id_stays_an_error(storage, policy):
    holder = storage.enqueue(keyed(1))
    other = storage.enqueue(Job("t"))
    with pytest.raises(JobAlreadyExists):
        storage.enqueue(holder, on_conflict=policy)
    with pytest.raises(JobAlreadyExists):
        storage.enqueue_many([keyed(2), Job("t"), other], on_conflict=policy)
    with pytest.raises(JobAlreadyExists):
        storage.enqueue_many([Job("t", id="x"), Job("t", id="x")], on_conflict=policy)
    assert storage.list() == [other, holder]


def test_a_batch_stores_the_others_in_one_step(storage, told):
    """Those whose key is held are answered by the holder, twins by the first of them."""
    holder = storage.enqueue(keyed(0))
    del told[:]
    storage.driver = counting = Counting(storage.driver)
    names = ["a", None, "k", "a", "b", "k"]
    jobs = [keyed(number, unique_key=name) for number, name in enumerate(names, 1)]
    answers = storage.enqueue_many(jobs, on_conflict="existing")
    assert [answer.arguments for answer in answers] == [[1], [2], [0], [1], [5], [0]]
    assert answers[2] == answers[5] == holder
    assert counting.calls == {"insert": 2, "load": 1}
    assert [job.arguments for job in storage.list()] == [[5], [2], [1], [0]]
    assert told == [("enqueued", jobs[n].id, [n + 1]) for n in (0, 1, 4)]


def test_a_batch_is_all_or_nothing(storage, paused):
    """An id that is taken when the others are stored: nothing is."""
    holder = storage.enqueue(keyed(1))
    taken = Job("t", id="x")
    paused.between["load"] = lambda: storage.enqueue(taken)
    with pytest.raises(JobAlreadyExists):
        storage.enqueue_many([keyed(2), Job("t"), taken], on_conflict="existing")
    assert [job.id for job in storage.list()] == ["x", holder.id]


LETS_GO = {
    "cancel": lambda storage, holder: storage.cancel(holder.id),
    "delete": lambda storage, holder: storage.delete(holder.id),
    "finish": lambda storage, holder: storage.finish(
        storage.fetch_and_lock_job("w"), Succeeded(result=1)
    ),
    "update": lambda storage, holder: storage.update(attrs.evolve(holder, unique_key="other")),
}


@pytest.mark.parametrize("policy", OTHERS)
@pytest.mark.parametrize("way", LETS_GO)
def test_a_holder_that_lets_go_meanwhile_is_no_answer(storage, paused, policy, way):
    holder = storage.enqueue(keyed(1))
    paused.between["insert"] = lambda: LETS_GO[way](storage, holder)
    job = keyed(2)
    assert storage.enqueue(job, on_conflict=policy).id == job.id
    assert storage.driver.holder("k") == job.id


def test_existing_gives_up_some_time(storage, monkeypatch):
    """A key that is held at each insert and free at each look."""
    monkeypatch.setattr(conflicts, "TRIES", 5)
    storage.driver = driver = Paused(storage.driver)

    def free():
        storage.cancel(storage.driver.holder("k"))
        driver.between["load"] = take

    def take():
        driver.between.clear()
        storage.enqueue(keyed(1))
        driver.between["insert"] = free

    take()
    with pytest.raises(UniqueKeyTaken):
        storage.enqueue(keyed(2), on_conflict="existing")
    assert [job for job in storage.list() if job.arguments == [2]] == []


# -- replace ---------------------------------------------------------------------------------------


def scheduled(storage, seconds):
    now = storage.now()
    return Scheduled(now, now.replace(second=seconds))


def fails_once(storage):
    retry = AwaitingRetry(retry_at=storage.now().replace(second=9), retry_count=1)
    return storage.finish(storage.fetch_and_lock_job("w"), retry)


WAITS = {
    "enqueued": lambda storage: storage.enqueue(keyed(1)),
    "scheduled": lambda storage: storage.enqueue(keyed(1, state=scheduled(storage, 5))),
    "awaiting": lambda storage: (storage.enqueue(keyed(1)), fails_once(storage)),
    "released": lambda storage: (
        storage.enqueue(keyed(1)),
        storage.release(storage.fetch_and_lock_job("w")),
    ),
    "locked": lambda storage: storage.try_acquire_job_lock(
        storage.enqueue(keyed(1)).id, "w3", 60.0
    ),
}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("waits", WAITS)
def test_replace_gives_what_waits_the_content_of_the_new(storage, clock, told, waits, later):
    WAITS[waits](storage)
    [before] = storage.list()
    del told[:]
    clock.advance(3)
    job = Job(
        "other",
        ["new"],
        {"a": 1},
        queue="mail",
        priority=7,
        max_retries=2,
        timeout_seconds=9,
        job_type="letter",
        metadata={"b": 2},
        unique_key="k",
        expires_at=storage.now().replace(minute=50),
        retention=Retention(succeeded=5, deleted=5, failed=5),
        concurrency_key="c",
        concurrency_limit=3,
        rate="20/s",
        rate_key="r",
        state=scheduled(storage, 50) if later else Enqueued(storage.now(), "mail"),
    )
    after = storage.enqueue(job, on_conflict="replace")
    assert after == attrs.evolve(
        job,
        id=before.id,
        created_at=before.created_at,
        version=before.version + 1,
        fence=before.fence,
        lease_expires_at=before.lease_expires_at,
    )
    assert (after.seq, after.max_attempts) == (before.seq, 3)
    assert storage.list() == [after]
    [row] = storage.driver.load([before.id])
    fresh = codec.encode_job(job, max_attempts=3, lease_until=None, max_bytes=9999)
    assert (row.lane, row.permit) == (fresh.lane, fresh.permit) != (None, None)
    assert told == [("updated", before.id, ["new"])]
    assert storage.driver.holder("k") == before.id


@pytest.mark.parametrize("waits", WAITS)
def test_what_was_replaced_runs_once_with_the_new_arguments(storage, clock, waits):
    WAITS[waits](storage)
    clock.advance(60)
    storage.enqueue(keyed(2, max_retries=0), on_conflict="replace")
    [job] = storage.fetch_available_jobs_atomic("w3")
    assert (job.arguments, job.attempt) == ([2], 1)
    assert storage.finish(job, Failed(exception="E")).state.retry_count == 0
    assert storage.driver.holder("k") is None


def test_it_keeps_its_place_in_the_order(storage):
    storage.enqueue(keyed(1))
    storage.enqueue(Job("t", ["between"]))
    storage.enqueue(keyed(2), on_conflict="replace")
    claimed = storage.fetch_available_jobs_atomic("w")
    assert [job.arguments for job in claimed] == [[2], ["between"]]


@pytest.mark.parametrize("lapsed", [False, True])
def test_what_runs_cannot_be_replaced(storage, clock, told, lapsed):
    storage.enqueue(keyed(1))
    claimed = storage.fetch_and_lock_job("w")
    clock.advance(31 * lapsed)
    del told[:]
    with pytest.raises(UniqueKeyTaken, match="runs already and cannot be replaced") as taken:
        storage.enqueue(keyed(2), on_conflict="replace")
    assert taken.value.job_id == claimed.id
    with pytest.raises(UniqueKeyTaken, match="cannot be replaced"):
        storage.enqueue_many([Job("t"), keyed(2)], on_conflict="replace")
    assert (storage.list(), told) == ([claimed], [])
    assert storage.finish(claimed, Succeeded()).arguments == [1]


def test_what_has_done_a_step_cannot_be_replaced(storage):
    """The other would take the step's result for its own, and not do it."""
    storage.enqueue(keyed(1))
    claimed = storage.fetch_and_lock_job("w")
    storage.note(claimed, attrs.evolve(claimed.notes, steps={"charge": 7}))
    holder = storage.release(claimed)
    with pytest.raises(UniqueKeyTaken, match="has done charge already and cannot be replaced"):
        storage.enqueue(keyed(2), on_conflict="replace")
    assert storage.get(holder.id).arguments == [1]


@pytest.mark.parametrize("scope", ["unfinished", "queued"])
def test_a_queued_key_is_replaced_until_it_is_claimed(storage, scope):
    storage.enqueue(keyed(1, unique_while="queued"))
    storage.enqueue(keyed(2, unique_while=scope), on_conflict="replace")
    assert storage.fetch_and_lock_job("w").arguments == [2]
    held = storage.driver.holder("k") is not None
    assert held == (scope == "unfinished")


def test_one_that_was_claimed_before_keeps_its_scope(storage):
    """ "queued" is until the first claim, and that has been: the key would be free at once."""
    storage.enqueue(keyed(1))
    storage.release(storage.fetch_and_lock_job("w"))
    after = storage.enqueue(keyed(2, unique_while="queued"), on_conflict="replace")
    assert after.unique_while == "unfinished"
    storage.update(after.with_metadata(seen=True))
    assert storage.driver.holder("k") == after.id


@pytest.mark.parametrize("state", [Processing(worker_id="w", server_name="s"), Succeeded()])
def test_only_what_waits_may_take_anothers_place(storage, state):
    storage.enqueue(keyed(1))
    job = keyed(2, state=state)
    if isinstance(state, Succeeded):  # asks for no key
        assert storage.enqueue(job, on_conflict="replace").id == job.id
        return
    with pytest.raises(ConfigurationError, match="only a job that waits by itself"):
        storage.enqueue(job, on_conflict="replace")
    assert [job.arguments for job in storage.list()] == [[1]]


def test_what_others_count_on_is_not_replaced_and_does_not_replace(storage):
    """A batch knows its jobs by their place, and one that waits for others is started by them."""
    parent = storage.enqueue(Job("parent"))
    holders = [
        storage.enqueue(keyed(1, unique_key="b", batch="sizes", place=0)),
        storage.enqueue(keyed(2, unique_key="a", after=[parent.id])),
    ]
    for holder, why in zip(holders, ["part of batch 'sizes'", "start after others"], strict=True):
        with pytest.raises(UniqueKeyTaken, match=f"{why} and cannot be replaced"):
            storage.enqueue(keyed(3, unique_key=holder.unique_key), on_conflict="replace")
        assert storage.get(holder.id) == holder
    for ties in ({"batch": "sizes"}, {"after": [parent.id]}):
        with pytest.raises(ConfigurationError, match="is part of a batch, or to start after"):
            storage.enqueue(keyed(4, **ties), on_conflict="replace")
    assert len(storage.list()) == 3


def test_what_waits_for_the_replaced_waits_on(storage):
    holder = storage.enqueue(keyed(1))
    after = storage.enqueue(Job("after", after=[holder.id]))
    storage.enqueue(keyed(2), on_conflict="replace")
    [claimed] = storage.fetch_available_jobs_atomic("w")
    assert claimed.arguments == [2]
    storage.finish(claimed, Succeeded())
    assert storage.fetch_and_lock_job("w").id == after.id


def test_of_several_in_a_batch_the_last_counts(storage, told):
    holder = storage.enqueue(keyed(0))
    del told[:]
    names = ["a", "k", None, "a", "k"]
    jobs = [keyed(number, unique_key=name) for number, name in enumerate(names, 1)]
    answers = storage.enqueue_many(jobs, on_conflict="replace")
    assert [answer.arguments for answer in answers] == [[4], [5], [3], [4], [5]]
    assert answers[1] == answers[4] == storage.get(holder.id)
    assert [job.arguments for job in storage.list()] == [[4], [3], [5]]
    assert sorted(told) == sorted(
        [
            ("updated", holder.id, [5]),
            ("enqueued", jobs[2].id, [3]),
            ("enqueued", jobs[3].id, [4]),
        ]
    )


# -- replace under races ---------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["right after the look", "right before the write"])
def test_a_holder_that_is_claimed_meanwhile_keeps_what_it_runs(storage, paused, when):
    storage.enqueue(keyed(1))
    claims = []
    gap = (paused.between, "load") if when == "right after the look" else (paused.before, "swap")
    gap[0][gap[1]] = lambda: claims.append(storage.fetch_and_lock_job("w"))
    with pytest.raises(UniqueKeyTaken, match="runs already"):
        storage.enqueue(keyed(2), on_conflict="replace")
    assert storage.list() == claims
    assert storage.finish(claims[0], Succeeded()).arguments == [1]


def test_a_holder_that_ends_meanwhile_is_followed_by_the_new_job(storage, paused, told):
    holder = storage.enqueue(keyed(1))
    paused.before["swap"] = lambda: LETS_GO["finish"](storage, holder)
    job = keyed(2)
    assert storage.enqueue(job, on_conflict="replace").id == job.id
    assert [(one.arguments, one.state.kind.value) for one in storage.list()] == [
        ([2], "enqueued"),
        ([1], "succeeded"),
    ]
    assert [kind for kind, *_ in told] == ["enqueued", "claimed", "succeeded", "enqueued"]


def test_a_holder_that_was_deleted_and_enqueued_anew_under_its_id_is_seen_as_it_is(storage, paused):
    holder = storage.enqueue(keyed(1))

    def meanwhile():
        storage.delete(holder.id)
        storage.enqueue(keyed(3, id=holder.id, priority=3))

    paused.before["swap"] = meanwhile
    after = storage.enqueue(keyed(2), on_conflict="replace")
    assert (after.id, after.arguments) == (holder.id, [2])
    assert after.seq > holder.seq
    assert storage.list() == [after]


def test_a_batch_whose_holder_starts_meanwhile_says_what_was_done(storage, paused, told):
    storage.enqueue(keyed(1))
    paused.before["swap"] = lambda: storage.fetch_and_lock_job("w")
    with pytest.raises(UniqueKeyTaken, match="2 others of the batch were stored or put in place"):
        storage.enqueue_many([keyed(2), Job("u"), Job("u")], on_conflict="replace")
    assert [job.method for job in storage.list()] == ["u", "u", "t"]
    assert [kind for kind, *_ in told] == ["enqueued", "claimed", "enqueued", "enqueued"]


@pytest.mark.parametrize("verb", ["insert", "load", "swap"])
@pytest.mark.parametrize("lost", [False, True], ids=["call", "reply"])
def test_a_replace_that_failed_may_be_asked_again(storage, verb, lost):
    """Whatever was carried out of it: never two jobs, and the new content in the end."""
    holder = storage.enqueue(keyed(1))
    storage.driver = faulty = FaultyDriver(storage.driver)
    (faulty.lose_reply if lost else faulty.fail)(verb)
    job = keyed(2)
    with pytest.raises(StorageUnavailable):
        storage.enqueue(job, on_conflict="replace")
    assert storage.enqueue(job, on_conflict="replace").id == holder.id
    assert [one.arguments for one in storage.list()] == [[2]]


def test_a_stale_hand_of_the_replaced_changes_nothing(storage, clock):
    storage.enqueue(keyed(1))
    stale = storage.fetch_and_lock_job("w")
    clock.advance(31)
    storage.rescue()
    after = storage.enqueue(keyed(2), on_conflict="replace")
    with pytest.raises(JobLost):
        storage.finish(stale, Succeeded(result="old"))
    assert storage.renew([stale]) == [False]
    assert storage.list() == [after]


# -- crowds ----------------------------------------------------------------------------------------


def in_a_crowd(make_storage, policy, threads=32):
    """Each asks for one key with arguments of its own; the storage, and what each was told."""
    storages = [make_storage(None)]

    def enqueue(index):
        try:
            return storages[0].enqueue(keyed(index), on_conflict=policy)
        except UniqueKeyTaken as error:
            return error.job_id

    return storages[0], in_threads(threads, enqueue)


def test_of_a_crowd_one_is_stored_and_all_are_given_that(make_storage):
    storage, answers = in_a_crowd(make_storage, "existing")
    [stored] = storage.list()
    assert answers == [stored] * 32
    assert answers[stored.arguments[0]] == stored


def test_of_a_crowd_that_replaces_the_last_stays(make_storage):
    storage, answers = in_a_crowd(make_storage, "replace")
    [stored] = storage.list()
    assert {answer.id for answer in answers} == {stored.id}
    assert sorted(answer.arguments[0] for answer in answers) == list(range(32))
    assert sorted(answer.version for answer in answers) == list(range(32))  # each had its turn
    assert stored == max(answers, key=lambda answer: answer.version)


def test_replacing_while_workers_claim_loses_nothing_and_doubles_nothing(make_storage):
    """What a caller was told to be in place is run, unless a later caller replaced it; what is
    running is never written over."""
    storage = make_storage(None)
    versions, ran = {}, []

    def enqueue(hand):
        for number in range(12):
            content = [hand, number]
            try:
                job = storage.enqueue(Job("t", content, unique_key="k"), on_conflict="replace")
                versions[job.id, job.version] = content
            except UniqueKeyTaken:
                pass

    def work(hand):
        for _ in range(24):
            job = storage.fetch_and_lock_job(f"w{hand}")
            if job is not None:
                ran.append(job)
                assert storage.finish(job, Succeeded()).arguments == job.arguments

    in_threads(6, lambda index: (enqueue if index % 3 else work)(index))
    while (job := storage.fetch_and_lock_job("last")) is not None:
        ran.append(job)
        storage.finish(job, Succeeded())
    for job in ran:  # each ran what stood there last, once: the version before its claim
        assert versions[job.id, job.version - 1] == job.arguments
    assert len({job.id for job in ran}) == len(ran) == len(storage.list("succeeded"))
    assert {job_id for job_id, _ in versions} == {job.id for job in ran}

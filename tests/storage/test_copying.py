"""A whole queue from one storage to another: nothing lost, nothing changed, nothing doubled."""

import itertools
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qml import (
    AwaitingRetry,
    CapacityExceeded,
    ConfigurationError,
    Deleted,
    Enqueued,
    Failed,
    Job,
    ManualClock,
    MemoryStorage,
    Scheduled,
    StorageError,
    StorageUnavailable,
    Succeeded,
    UniqueKeyTaken,
    connect,
)
from qml.seam.rows import Page
from qml.storage import comparing, copying, servers
from qml.storage.comparing import Difference, Kind
from qml.storage.copying import CopyRefused, copy
from qml.testing.strategies import jobs, states
from tests.drivers.making import row
from tests.storage.stores import KINDS, PAIRS
from tests.work.support import peak_of


@pytest.fixture
def make(clock, tmp_path):
    """``make(kind)``: an empty storage of that kind, closed at the end."""
    made = []

    def new(kind="sqlite", **options):
        made.append(connect(KINDS[kind](tmp_path), clock=clock, **options))
        return made[-1]

    yield new
    for storage in made:
        storage.close()


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request, make):
    """FROM and TO, of every two kinds; both empty."""
    ours, theirs = request.param
    return make(ours), make(theirs)


@pytest.fixture
def source(make):
    return make()


@pytest.fixture
def target(make):
    return make()


def rows_of(storage):
    """All rows, oldest first, as any store should have them."""
    return [one._replace(seq=None) for one in storage.driver.scan(Page())[::-1]]


def add(storage, *rows):
    assert storage.driver.insert(rows).obstacles == []


def plain(storage, count, **fields):
    return storage.enqueue_many([Job("m", [n], **fields) for n in range(count)])


def populate(storage, clock):
    """Jobs in all states, some of them tried before; keys, locks, a job whose worker is gone."""
    hour = timedelta(hours=1)
    now = storage.now()
    plain(storage, 12, queue="a", metadata={"k": [1, "\0", 2**80]}, max_retries=5)
    for outcome in (
        Succeeded(result={"x": [-0.0, 1, True, "\0😀"]}),
        Failed(exception="E: no", stack_trace="a\nb"),
        AwaitingRetry(retry_at=now + hour, last_exception="E: again"),
        AwaitingRetry(retry_at=now, last_exception="E: due"),
        Deleted(reason="no use"),
        Enqueued(),
    ):
        storage.finish(storage.fetch_and_lock_job("w1", ["a"]), outcome)
        clock.advance(0.000001)
    for while_ in ("unfinished", "queued"):
        storage.cancel(storage.enqueue(Job("m", unique_key=f"free {while_}")).id)
        storage.enqueue(Job("m", unique_key=f"claimed {while_}", unique_while=while_, queue=while_))
        storage.release(storage.fetch_and_lock_job("w1", [while_]))
        storage.enqueue(Job("m", unique_key=f"held {while_}", unique_while=while_, queue="b"))
    plain(storage, 3, state=Scheduled(now, now + hour, "later"), priority=-5, timeout_seconds=0.1)
    for job in plain(storage, 2, queue="locked", priority=9):
        assert storage.try_acquire_job_lock(job.id, "holder", 3_600)
    plain(storage, 1, queue="lost", job_type="t")
    storage.fetch_and_lock_job("dead", ["lost"], lease_seconds=1)
    clock.advance(2)


# -- everything goes over ----------------------------------------------------------------------


def test_everything_goes_over_as_it_is(pair, clock):
    source, target = pair
    populate(source, clock)
    before = source.driver.scan(Page())
    told = []
    copied = copy(source, target, lambda *how_far: told.append(how_far))
    assert rows_of(target) == rows_of(source)
    assert source.driver.scan(Page()) == before  # to the seq
    assert target.get_available_jobs() == source.get_available_jobs()
    assert copied.complete
    assert copied.differences == ()
    assert (copied.copied, copied.found, copied.records) == (len(before), 0, 0)
    assert copied.source_counts == copied.target_counts == source.driver.count(Page(), "state")
    assert len(copied.source_counts) == 7
    assert told[0] == ("copying", 8, len(before))
    assert told[-1] == ("comparing", len(before), len(before))


def test_there_and_back_it_is_the_same(pair, make, clock):
    source, target = pair
    populate(source, clock)
    back = make("memory")
    assert copy(source, target).complete
    assert copy(target, back).complete
    assert rows_of(back) == rows_of(source)


def test_what_was_copied_lives_on(pair, clock):
    source, target = pair
    populate(source, clock)
    copy(source, target)
    assert target.fetch_and_lock_job("another", ["locked"]) is None
    assert target.fetch_and_lock_job("holder", ["locked"]).fence == 1
    for key in ("held unfinished", "held queued", "claimed unfinished"):
        with pytest.raises(UniqueKeyTaken):
            target.enqueue(Job("keyed", unique_key=key))
    for key in ("free unfinished", "free queued", "claimed queued"):
        target.enqueue(Job("keyed", unique_key=key))
    [lost] = target.rescue()
    assert (lost.queue, lost.attempt, lost.failures[-1].worker) == ("lost", 1, "dead")
    for queue in ("a", "b"):
        expected = [job.id for job in source.get_available_jobs() if job.queue == queue]
        assert [job.id for job in target.fetch_available_jobs_atomic("w", 100, [queue])] == expected


def test_an_empty_store_is_copied(pair):
    copied = copy(*pair)
    assert copied.complete
    assert (copied.copied, copied.source_counts) == (0, {})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(jobs(state=states()), max_size=8, unique_by=lambda job: job.id))
def test_any_jobs_go_over(given_jobs):
    clock = ManualClock()
    with MemoryStorage(clock=clock) as source, MemoryStorage(clock=clock) as target:
        source.enqueue_many(given_jobs)
        clock.advance(30)
        assert copy(source, target).complete
        assert rows_of(target) == rows_of(source)
        assert target.list() == source.list()


def test_records_go_over_but_those_of_servers(pair, clock):
    source, target = pair
    servers.beat(source, "killed", {"threads": 1})
    for name in ("queue/a", "queue/b", "copy/mark", "serverless"):
        source.driver.write(name, f'"{name}"', 0)
    source.driver.write("queue/b", '"changed"', 1)
    clock.advance(servers.SILENT)
    copied = copy(source, target)
    assert copied.complete
    assert copied.records == 3
    assert {one.name: one.body for one in target.driver.list("")} == {
        "queue/a": '"queue/a"',
        "queue/b": '"changed"',
        "serverless": '"serverless"',
    }
    assert copy(source, target).records == 0


def test_records_are_there_before_the_jobs(source, target):
    """What they say about a queue, that it is paused say, holds when its jobs come."""
    plain(source, 3)
    source.driver.write("queue/a", "1", 0)
    driver = target.driver
    seen = []
    target.driver = Watched(
        driver, before=lambda verb: verb == "insert" and seen.append(driver.read("queue/a"))
    )
    assert copy(source, target).complete
    assert [record.body for record in seen] == ["1"]


# -- broken off --------------------------------------------------------------------------------


class Killed(Exception):
    """The process ends here."""


class Watched:
    """A driver that lets somebody know of each call, before and after it."""

    def __init__(self, driver, before=lambda verb: None, after=lambda verb: None):
        self._driver, self._before, self._after = driver, before, after

    def __getattr__(self, verb):
        def call(*arguments):
            self._before(verb)
            answer = getattr(self._driver, verb)(*arguments)
            self._after(verb)
            return answer

        return call


def at_call(count, error):
    """A function that raises when it is called for the ``count``-th time."""
    calls = itertools.count(1)

    def call(verb):
        if next(calls) == count:
            raise error

    return call


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_call_it_goes_on(make, clock, monkeypatch, moment):
    monkeypatch.setattr(comparing, "FIRST_ROWS", 2)
    monkeypatch.setattr(comparing, "MOST_ROWS", 2)
    source = make("memory")
    populate(source, clock)
    source.driver.write("queue/a", "1", 0)
    for count in range(1, 1_000):
        target = make("memory")
        driver = target.driver
        target.driver = Watched(driver, **{moment: at_call(count, Killed)})
        try:
            assert copy(source, target).complete
            break
        except Killed:
            pass
        finally:
            target.driver = driver
        there = rows_of(target)
        assert there == rows_of(source)[: len(there)]
        copied = copy(source, target)
        assert copied.complete
        assert copied.found == len(there)
        assert copied.copied == len(rows_of(source)) - len(there)
        assert rows_of(target) == rows_of(source)
        assert driver.list("copy/") == []
    assert count > 30


def test_killed_again_and_again(make, clock, monkeypatch):
    """Each time after one page more."""
    monkeypatch.setattr(comparing, "FIRST_ROWS", 1)
    monkeypatch.setattr(comparing, "MOST_ROWS", 1)
    source, target = make("memory"), make()
    populate(source, clock)
    rounds = 0
    driver = target.driver
    while True:
        target.driver = Watched(driver, after=at_call(rounds + 6, Killed))
        try:
            copied = copy(source, target)
            break
        except Killed:
            rounds += 1
        finally:
            target.driver = driver
        there = rows_of(target)
        assert there == rows_of(source)[: len(there)]
    assert copied.complete
    assert rounds > 20


def test_an_outage_leaves_what_is_copied(make, source, target):
    plain(source, 120)
    driver = target.driver
    down = at_call(2, StorageUnavailable("gone"))
    target.driver = Watched(driver, before=lambda verb: verb == "insert" and down(verb))
    with pytest.raises(StorageUnavailable):
        copy(source, target)
    target.driver = driver
    told = []
    copied = copy(source, target, lambda *how_far: told.append(how_far))
    assert (copied.found, copied.copied, copied.complete) == (8, 112, True)
    assert told[:3] == [("checking", 8, 120), ("copying", 16, 120), ("copying", 32, 120)]


def test_a_full_target_says_so_and_keeps_what_it_has(make):
    source, target = make("memory"), make("memory", max_jobs=100)
    plain(source, 120)
    with pytest.raises(CapacityExceeded):
        copy(source, target)
    assert rows_of(target) == rows_of(source)[:56]


def test_a_job_that_the_target_cannot_keep_is_named(source, make):
    """PostgreSQL does not index names of more than 2,600 bytes, SQLite does."""
    target = make("postgres")
    jobs = plain(source, 30)
    key = "".join(map(chr, range(0x4E00, 0x4E00 + 3_000)))
    too_long = source.enqueue(Job("m", unique_key=key))
    jobs += plain(source, 30)
    with pytest.raises(CopyRefused, match=f"job {too_long.id} .* cannot be kept there: ") as error:
        copy(source, target)
    assert error.value.job_id == too_long.id
    assert rows_of(target) == rows_of(source)[:30]
    source.delete(too_long.id)
    copied = copy(source, target)
    assert (copied.found, copied.copied, copied.complete) == (30, 30, True)


def test_pages_that_are_too_much_at_once_are_copied_one_by_one(source, target):
    plain(source, 30)
    driver = target.driver

    class Small(Watched):
        def insert(self, rows):
            if len(rows) > 1:
                raise StorageError("too much")
            return driver.insert(rows)

    target.driver = Small(driver)
    assert copy(source, target).complete
    assert rows_of(target) == rows_of(source)


def test_an_outage_between_single_ones_is_none_of_theirs(source, target):
    plain(source, 30)
    errors = iter([StorageError("too much"), None, StorageUnavailable("gone")])

    class Failing(Watched):
        def insert(self, rows):
            if error := next(errors):
                raise error
            return driver.insert(rows)

    driver = target.driver
    target.driver = Failing(driver)
    with pytest.raises(StorageUnavailable, match="gone"):
        copy(source, target)
    assert rows_of(target) == rows_of(source)[:1]


# -- what is refused ---------------------------------------------------------------------------


def is_refused(source, target, *words):
    """And nothing on either side has changed."""
    before = [(one.driver.scan(Page()), comparing.records(one.driver)) for one in (source, target)]
    with pytest.raises(CopyRefused) as refused:
        copy(source, target)
    for word in words:
        assert word in str(refused.value)
    assert [
        (one.driver.scan(Page()), comparing.records(one.driver)) for one in (source, target)
    ] == before


def test_what_runs_is_refused_and_named(source, target, clock, monkeypatch):
    monkeypatch.setattr(copying, "LOOKED_AT", 2)
    for number in range(4):  # lapsed ones before and behind
        plain(source, 1, queue="lost")
        source.fetch_and_lock_job(f"dead-{number}", ["lost"], lease_seconds=1)
    clock.advance(1)
    plain(source, 4, queue="a")
    running = source.fetch_available_jobs_atomic("w", 4, ["a"], lease_seconds=20.4)
    source.renew(running[1:3], 11.6)
    clock.advance(10)
    is_refused(source, target, "4 running jobs", running[-1].id, " and 1 more", "within 10 s")
    for job in running[1:]:
        source.finish(job, Succeeded())
    is_refused(source, target, "1 running job: ", f"{running[0].id} (m)")
    clock.advance(10.399999)
    is_refused(source, target, "1 running job")
    clock.advance(0.000001)
    assert copy(source, target).complete


def test_a_lease_may_be_ended_by_hand(source, target):
    """The cure that docs/storage.rst names for long leases of dead workers."""
    plain(source, 1)
    job = source.fetch_and_lock_job("dead", lease_seconds=86_400)
    is_refused(source, target, "1 running job")
    assert source.release_job_lock(job.id, job.state.worker_id)
    assert copy(source, target).complete
    assert [rescued.id for rescued in target.rescue()] == [job.id]


@pytest.mark.parametrize("which", [0, 1])
def test_servers_on_either_side_are_refused(source, target, clock, which):
    plain(source, 1)
    at_work = (source, target)[which]
    for number in range(4):
        servers.beat(at_work, f"server-{number}", {})
    clock.advance(servers.SILENT - 0.000001)
    is_refused(source, target, "4 servers: server-0 (last sign 35 s ago)", " and 1 more")
    servers.leave(at_work, "server-3")
    sign = "(last sign 35 s ago)"
    all_named = f"3 servers: server-0 {sign}, server-1 {sign}, server-2 {sign}. Stop"
    is_refused(source, target, all_named)
    for number in range(1, 3):
        servers.leave(at_work, f"server-{number}")
    is_refused(source, target, "1 server: server-0 (", at_work.driver.describe())
    clock.advance(0.000001)
    assert copy(source, target).complete


def test_a_sign_from_the_future_is_none(source, target, clock):
    """A clock that was wrong must not keep a copy off for ever."""
    plain(source, 1)
    source.clock = ManualClock(clock.now() + timedelta(days=2))
    servers.beat(source, "s", {})
    source.clock = clock
    assert copy(source, target).complete


def test_one_store_under_two_names_is_refused(make, tmp_path, clock):
    source = make()
    plain(source, 3)
    (tmp_path / "link").symlink_to(source.driver._connections._config.path)
    with connect(f"sqlite:///{tmp_path}/link", clock=clock) as other:
        for target in (source, other):
            with pytest.raises(ConfigurationError, match="same store"):
                copy(source, target)
    assert source.driver.list("") == []


def test_a_mark_that_a_killed_copy_left_is_none(source, target):
    plain(source, 3)
    target.driver.write("copy/mark", '"old"', 0)
    source.driver.write("copy/mark", '"old"', 0)
    assert copy(source, target).complete
    assert target.driver.read("copy/mark") is None


def test_another_copy_at_the_same_moment_is_refused(source, target):
    driver = target.driver
    target.driver = Watched(
        driver, before=lambda verb: verb == "write" and driver.write("copy/mark", '"another"', 0)
    )
    with pytest.raises(CopyRefused, match="another copy"):
        copy(source, target)


def changed(rows, index, **columns):
    return [*rows[:index], rows[index]._replace(**columns), *rows[index + 1 :]]


ROWS = [row(name, version=1) for name in "abcde"]

NOT_BEGINNINGS = {
    "a job that is not in FROM": ([*ROWS, row("z")], Difference("job", "z", Kind.ONLY_TO)),
    "alone": ([row("z")], Difference("job", "z", Kind.ONLY_TO)),
    "in front": ([row("z"), *ROWS], Difference("job", "z", Kind.ONLY_TO)),
    "a job that changed": (
        changed(ROWS[:3], 1, state="succeeded", version=2, due_at=None),
        Difference("job", "b", Kind.DIFFERS, ("version", "state", "due_at")),
    ),
    "one that is missing": (ROWS[:1] + ROWS[2:], Difference("job", "b", Kind.ONLY_FROM)),
    "another order": ([ROWS[0], ROWS[2], ROWS[1]], Difference("job", "b", Kind.PLACE)),
}


@pytest.mark.parametrize("case", NOT_BEGINNINGS)
def test_a_target_that_holds_anything_else_is_refused(pair, case):
    source, target = pair
    there, found = NOT_BEGINNINGS[case]
    add(source, *ROWS)
    source.driver.write("queue/a", "1", 0)
    add(target, *there)
    is_refused(source, target, f": {found}. It was left as it is; ", target.driver.describe())


@pytest.mark.parametrize("column", [name for name in row("a")._fields if name not in ("seq", "id")])
def test_every_column_counts(make, column):
    source, target = make("memory"), make("memory")
    value = getattr(ROWS[0], column)
    other = f"other {value}" if isinstance(value, str) else '["x"]' if column == "counts" else 7
    add(source, *ROWS)
    add(target, *changed(ROWS, 0, **{column: other}))
    is_refused(source, target, f"job a differs: {column}. ")


@pytest.mark.parametrize(
    ("theirs", "kind"), [({"q": "2"}, Kind.DIFFERS), ({"z": "1"}, Kind.ONLY_TO)]
)
def test_records_of_another_kind_are_refused(source, target, theirs, kind):
    source.driver.write("q", "1", 0)
    for name, body in theirs.items():
        target.driver.write(name, body, 0)
        is_refused(source, target, str(Difference("record", name, kind)))


# -- changed meanwhile -------------------------------------------------------------------------


def once(step, change):
    """A progress that has ``change`` happen when it first hears of this step."""
    left = [change]

    def progress(what, done, total):
        if what == step and left:
            left.pop()()

    return progress


def test_jobs_that_come_in_while_it_copies_are_copied(pair):
    source, target = pair
    plain(source, 60)
    copied = copy(source, target, once("copying", lambda: plain(source, 3)))
    assert copied.complete
    assert copied.copied == 63
    assert rows_of(target) == rows_of(source)


def test_jobs_that_come_in_while_it_compares_are_seen_and_added_the_next_time(pair):
    source, target = pair
    plain(source, 3)
    late = []
    copied = copy(source, target, once("comparing", lambda: late.extend(plain(source, 2))))
    assert not copied.complete
    assert copied.differences == tuple(Difference("job", job.id, Kind.ONLY_FROM) for job in late)
    copied = copy(source, target)
    assert (copied.found, copied.copied, copied.complete) == (3, 2, True)
    assert rows_of(target) == rows_of(source)


def test_jobs_that_come_in_at_the_very_end_are_seen_by_the_counts(source, target):
    plain(source, 3)
    second = iter([None, lambda: plain(source, 2)])
    driver = source.driver
    source.driver = Watched(driver, before=lambda verb: verb == "count" and (next(second) or str)())
    copied = copy(source, target)
    assert (copied.complete, copied.differences) == (False, ())
    assert (copied.source_counts, copied.target_counts) == ({"enqueued": 5}, {"enqueued": 3})


DIFFERS = ("version", "state", "due_at", "finished_at", "detail")

MEANWHILE = {
    "cancelled in FROM": (lambda ours, _, job: ours.cancel(job.id), Kind.DIFFERS, DIFFERS),
    "cancelled in TO": (lambda _, theirs, job: theirs.cancel(job.id), Kind.DIFFERS, DIFFERS),
    "locked in TO": (
        lambda _, theirs, job: theirs.try_acquire_job_lock(job.id, "w", 60),
        Kind.DIFFERS,
        ("locked_by", "lease_until"),
    ),
    "deleted in FROM": (lambda ours, _, job: ours.delete(job.id), Kind.ONLY_TO, ()),
    "deleted in TO": (lambda _, theirs, job: theirs.delete(job.id), Kind.ONLY_FROM, ()),
}


@pytest.mark.parametrize("case", MEANWHILE)
def test_what_else_changes_meanwhile_is_a_difference(pair, case):
    source, target = pair
    change, kind, columns = MEANWHILE[case]
    job = plain(source, 30)[2]
    copied = copy(source, target, once("copying", lambda: change(source, target, job)))
    assert not copied.complete
    assert copied.differences == (Difference("job", job.id, kind, columns),)
    is_refused(source, target, f"job {job.id} ")


@pytest.mark.parametrize("step", ["copying", "comparing"])
def test_jobs_that_come_into_the_target_are_differences(pair, step):
    """In the middle of the others, and behind them."""
    source, target = pair
    plain(source, 30)
    others = []
    copied = copy(source, target, once(step, lambda: others.extend(plain(target, 1))))
    assert not copied.complete
    assert copied.differences == (Difference("job", others[0].id, Kind.ONLY_TO),)


def test_records_that_change_meanwhile_are_differences(source, target):
    plain(source, 3)
    for name in "abc":
        source.driver.write(name, "1", 0)

    def change():
        source.driver.write("a", "2", 1)
        source.driver.write("b", None, 1)
        target.driver.write("c", None, 1)

    copied = copy(source, target, once("copying", change))
    assert not copied.complete
    kinds = {"a": Kind.DIFFERS, "b": Kind.ONLY_TO, "c": Kind.ONLY_FROM}
    assert copied.differences == tuple(
        Difference("record", name, kind) for name, kind in kinds.items()
    )


def test_there_is_an_end_to_differences(source, target, monkeypatch):
    monkeypatch.setattr(copying, "MOST_DIFFERENCES", 10)
    plain(source, 3)
    copied = copy(source, target, once("comparing", lambda: plain(source, 20)))
    assert len(copied.differences) == 10


def test_another_order_is_told_for_each_job(make):
    source, target = make("memory"), make("memory")
    add(source, *map(row, "abcdef"))
    add(target, *map(row, "acbdfe"))
    found = list(comparing.differences(source.driver, target.driver, lambda _: None))
    assert found == [Difference("job", name, Kind.PLACE) for name in "bcef"]


def test_a_key_that_was_taken_meanwhile_names_both(pair):
    source, target = pair
    [first, *_] = plain(source, 1, unique_key="k") + plain(source, 30)
    second = Job("m", unique_key="k")

    def change():
        source.cancel(first.id)
        source.enqueue(second)

    with pytest.raises(CopyRefused) as refused:
        copy(source, target, once("copying", change))
    assert refused.value.job_id == second.id
    assert f"unique key 'k' is held by job {first.id} there" in str(refused.value)
    assert rows_of(target)[0].state == "enqueued"


def test_a_job_that_is_there_by_now_is_named(pair):
    source, target = pair
    *_, last = plain(source, 30)
    with pytest.raises(CopyRefused, match=f"job {last.id} .*: it is there by now"):
        copy(source, target, once("copying", lambda: target.enqueue(last)))


def test_the_last_moment_of_a_killed_copy(pair):
    """A server may carry out what a client asked for just before it was killed, and late."""
    source, target = pair
    plain(source, 30)
    late = [comparing.as_copied(one) for one in source.driver.scan(Page())[::-1]]
    with pytest.raises(CopyRefused, match="Let others end, then copy again"):
        copy(source, target, once("copying", lambda: add(target, *late[8:24])))
    copied = copy(source, target)
    assert (copied.found, copied.copied, copied.complete) == (24, 6, True)


def test_a_server_that_starts_meanwhile_is_refused(source, target):
    """Its jobs would run a second time."""
    plain(source, 3)
    with pytest.raises(CopyRefused, match="1 server"):
        copy(source, target, once("copying", lambda: servers.beat(source, "s", {})))


def test_a_claim_meanwhile_is_refused(source, target):
    plain(source, 3)
    with pytest.raises(CopyRefused, match="1 running job"):
        copy(source, target, once("copying", lambda: source.fetch_and_lock_job("w")))


# -- damage ------------------------------------------------------------------------------------


DAMAGES = {
    "garbage": "UPDATE qml_payloads SET body = '[[1' || char(1) || '\\ud800' WHERE seq = 2",
    "no UTF-8": "UPDATE qml_payloads SET body = CAST(x'ff5b5d' AS TEXT) WHERE seq = 2",
    "a number": "UPDATE qml_payloads SET body = '7' WHERE seq = 2",
    "no payload": "DELETE FROM qml_payloads WHERE seq = 2",
    "detail": "UPDATE qml_jobs SET detail = 'x', failures = '{', metadata = '' WHERE seq = 2",
    "state": "UPDATE qml_jobs SET state = 'zombie' WHERE seq = 2",
    "no sense": "UPDATE qml_jobs SET lease_until = NULL, state = 'processing' WHERE seq = 2",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_goes_over_as_it_is(make, clock, tmp_path, damage, kind):
    with connect(f"sqlite:///{tmp_path}/damaged.db", clock=clock) as storage:
        plain(storage, 3)
    with closing(sqlite3.connect(tmp_path / "damaged.db")) as connection, connection:
        connection.execute(DAMAGES[damage])
    target = make(kind)
    with connect(f"sqlite:///{tmp_path}/damaged.db", clock=clock) as source:
        copied = copy(source, target)
        assert copied.complete
        ours, theirs = rows_of(source), rows_of(target)
        if damage == "no payload":
            assert ours[1].payload is None
            ours[1] = ours[1]._replace(payload="")
        assert theirs == ours
        [expected, found] = source.list()[1], target.list()[1]
        assert (found.damage is None) == (expected.damage is None)
        assert copy(source, target).found == 3


# -- size --------------------------------------------------------------------------------------


def test_many_jobs_take_little_memory(source, target):
    for _ in range(10):
        source.enqueue_many(Job("m", ["x" * 1_000]) for _ in range(2_000))
    assert peak_of(lambda: copy(source, target)) < 8_000_000  # of 30 MB
    assert rows_of(target) == rows_of(source)


def test_large_jobs_take_little_memory(source, target):
    for number in range(100):
        source.enqueue(Job("m", ["x" * 1_000_000], queue=str(number)))
    assert peak_of(lambda: copy(source, target)) < 30_000_000  # of 100 MB


def test_a_page_grows_and_shrinks_with_what_is_in_it(make):
    storage = make("memory", max_jobs=20_000)
    add(storage, *(row(f"small {n}") for n in range(3_000)))
    add(storage, *(row(f"large {n}", payload="x" * 100_000) for n in range(1_000)))
    add(storage, *(row(f"again {n}") for n in range(3_000)))
    sizes = [len(page) for page in comparing.pages(storage.driver)]
    assert sizes[:8] == [8, 16, 32, 64, 128, 256, 500, 500]
    assert sum(sizes) == 7_000
    assert sizes.count(39) > 10
    assert sizes[-2] == 500

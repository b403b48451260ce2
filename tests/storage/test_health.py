"""What holds for every store is seen, weighed and told; looking costs little and changes nothing.

What a storage answers is one thing, what it means another: the first half asks real storages, the
second weighs facts made by hand, at the very limits.
"""

from datetime import timedelta

import attrs
import pytest

from qml import (
    AwaitingRetry,
    Every,
    Failed,
    Job,
    MigrationError,
    Scheduled,
    StorageUnavailable,
    Succeeded,
)
from qml.seam.findings import Finding, Severity
from qml.seam.rows import Page
from qml.storage import comparing, diagnosis, health, servers
from qml.storage.facts import LOOKED_AT, Facts
from tests.drivers.making import row

OK, NOTE, WARNING, ERROR = Severity
COMMON = (
    *("reachability", "clock", "jobs", "servers", "waiting", "queues", "orphans", "late"),
    *("schedules", "failures", "damage", "pool"),
)


def told(findings, topic):
    return [finding for finding in findings if finding.topic == topic]


def one(findings, topic):
    [finding] = told(findings, topic)
    return finding


@pytest.fixture
def ask(storage):
    """What an examination says about a topic."""
    return lambda topic, **options: one(health.examine(storage, **options), topic)


@pytest.fixture
def alive(storage):
    """``alive(queues=["a"])``: a server gives its sign now."""

    def beat(name="host-1", **facts):
        servers.beat(storage, name, {"threads": 4, "queues": None, "running": 0, **facts})

    return beat


# -- asked of real storages ------------------------------------------------------------------------


def test_a_store_without_a_fault(storage, clock, alive):
    alive()
    storage.enqueue(Job("m"))
    storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
    storage.enqueue(Job("m", created_at=clock.now()))
    found = health.examine(storage)
    assert [f.topic for f in found if f.severity and f.topic in COMMON] == []
    assert one(found, "jobs").fact == "2 jobs: 1 enqueued, 1 succeeded"
    assert one(found, "servers").fact == "1 server alive, with 4 threads"
    assert one(found, "waiting").fact == "the oldest job that is due has waited 0 s"
    assert one(found, "damage").fact == "none in the 1 job looked at"
    assert {f.topic for f in found} >= {"reachability", "clock", "orphans", "failures"}


def test_an_empty_store(ask):
    assert ask("jobs") == (OK, "jobs", "none is stored", "")
    assert ask("waiting").fact == "no job is due"
    assert ask("servers") == (
        *(NOTE, "servers", "no server is alive"),
        "start one, such as: qml run APP",
    )


@pytest.mark.parametrize(("is_there", "patience"), [(True, 300), (False, 60)])
def test_a_due_job_may_wait_a_while(storage, clock, alive, ask, is_there, patience):
    job = storage.enqueue(Job("app.mail", queue="post", created_at=clock.now()))
    clock.advance(patience)
    if is_there:
        alive()
    assert ask("waiting").severity is OK
    clock.advance(0.001)
    found = ask("waiting")
    assert found.severity is WARNING
    assert found.fact == (
        f"job {job.id} (app.mail, queue post) is due and has waited {patience // 60} min"
    )


@pytest.mark.parametrize(
    ("facts", "remedy"),
    [
        (None, "no server is alive: start one, such as: qml run APP"),
        ({"draining": True}, "no live server takes jobs from its queue"),
        ({"queues": ["other"]}, "no live server takes jobs from its queue"),
        ({"running": 4}, "every thread is busy: start another server"),
        ({"running": 3}, "threads are free and do not take it: see the servers' logs"),
        ({"queues": ["other", "default"], "running": 5}, "every thread is busy"),
    ],
)
def test_why_it_waits(storage, clock, alive, ask, facts, remedy):
    storage.enqueue(Job("m", created_at=clock.now()))
    clock.advance(301)
    if facts is not None:
        alive(**facts)
        alive("elsewhere-1", queues=["another"])
    assert ask("waiting").remedy.startswith(remedy)


def test_what_is_scheduled_or_retried_waits_from_its_time(storage, clock, ask):
    hour = timedelta(hours=1)
    storage.enqueue(Job("later", state=Scheduled(enqueue_at=clock.now() + hour)))
    storage.enqueue(Job("again"))
    claimed = storage.fetch_and_lock_job("w")
    storage.finish(claimed, AwaitingRetry(retry_at=clock.now() + 2 * hour))
    clock.advance(3_599)
    assert ask("waiting").fact == "no job is due"
    clock.advance(1)
    assert ask("waiting").fact == "the oldest job that is due has waited 0 s"
    clock.advance(3_600 + 59)
    assert "(later, queue default)" in ask("waiting").fact
    assert "waited 1 h" in ask("waiting").fact
    [later] = storage.list("scheduled")
    storage.delete(later.id)
    assert ask("waiting").fact == "the oldest job that is due has waited 59 s"


def test_a_locked_job_waits_for_nobody(storage, clock, ask):
    job = storage.enqueue(Job("m", created_at=clock.now()))
    storage.try_acquire_job_lock(job.id, "w", 120)
    clock.advance(119)
    assert ask("waiting").fact == "no job is due"
    clock.advance(1)
    assert ask("waiting").severity is WARNING


def paused(storage):
    storage.queues.pause("default")
    storage.enqueue(Job("m"))


def beyond_a_limit(storage):
    for _ in range(2):
        storage.enqueue(Job("m", concurrency_key="k", concurrency_limit=1))
    storage.fetch_and_lock_job("w", lease_seconds=1_000)


def beyond_a_rate(storage):
    storage.enqueue_many([Job("m", rate="1/h", rate_key="r") for _ in range(2)])
    storage.fetch_and_lock_job("w", lease_seconds=1_000)


def after_one_that_runs(storage):
    first = storage.enqueue(Job("m"))
    storage.fetch_and_lock_job("w", lease_seconds=1_000)
    storage.enqueue(Job("m", after=[first.id]))


def too_late(storage):
    storage.enqueue(Job("m", expires_at=storage.now() + timedelta(seconds=1)))


@pytest.mark.parametrize(
    "keep_back", [paused, beyond_a_limit, beyond_a_rate, after_one_that_runs, too_late]
)
def test_what_is_kept_back_waits_for_no_server(storage, clock, ask, keep_back):
    keep_back(storage)
    clock.advance(600)
    assert storage.get_available_jobs() == []
    assert ask("waiting") == (OK, "waiting", "no job is due", "")


def test_a_paused_queue_is_told(storage, ask):
    storage.queues.pause("mail")
    storage.queues.pause("bulk")
    found = ask("queues")
    assert found.severity is NOTE
    assert found.fact.endswith("they are paused: bulk, mail")
    assert "qml queues resume" in found.remedy


def test_one_that_others_pass_again_and_again_is_seen(storage, clock, ask):
    """A low priority waits behind more than are looked at from the front."""
    left = storage.enqueue(Job("left", priority=-1, created_at=clock.now()))
    clock.advance(61)
    jobs = [Job("m", priority=1, created_at=clock.now()) for _ in range(LOOKED_AT + 50)]
    storage.enqueue_many(jobs)
    assert left.id in ask("waiting").fact


def test_one_that_is_due_among_many_that_are_not_is_seen(storage, clock, ask):
    year = Scheduled(enqueue_at=clock.now() + timedelta(days=365))
    others = [Job("m", state=year) for _ in range(2 * LOOKED_AT + 2)]
    due = Job("due", state=Scheduled(enqueue_at=clock.now()))
    storage.enqueue_many([*others[: LOOKED_AT + 1], due, *others[LOOKED_AT + 1 :]])
    clock.advance(61)
    assert due.id in ask("waiting").fact


def test_among_very_many_the_first_and_the_last_stored_are_looked_at(
    storage, clock, ask, monkeypatch
):
    """Then the next claim is not asked for, since that may take long."""
    monkeypatch.setattr(health, "FEW", 2 * LOOKED_AT)
    now, year = clock.now(), clock.now() + timedelta(days=365)
    for due_one in (0, 150, 250, 299):
        times = [now if n == due_one else year for n in range(3 * LOOKED_AT)]
        jobs = [Job("m", state=Scheduled(enqueue_at=time)) for time in times]
        storage.enqueue_many(jobs)
        storage.driver = Watched(storage.driver)
        found = ask("waiting")
        storage.driver = storage.driver.driver
        assert ("has waited" in found.fact) == (due_one != 150)
        storage.driver.erase([job.id for job in jobs], len(jobs))


def test_a_server_that_drains_takes_no_jobs(storage, clock, alive, ask):
    storage.enqueue(Job("t", queue="a", created_at=clock.now()))
    alive("leaving-1", draining=True)
    found = health.examine(storage)
    servers = one(found, "servers")
    told_so = "1 server alive, with 4 threads; these drain and take no more jobs: leaving-1"
    assert (servers.severity, servers.fact) == (NOTE, told_so)
    assert servers.remedy == "start one that does, such as: qml run APP"
    assert one(found, "queues").severity is WARNING
    assert told(found, "waiting")[0].severity is OK
    clock.advance(10)
    alive("leaving-1", draining=True)
    assert ask("waiting").severity is OK
    clock.advance(diagnosis.LONG_ALONE)
    alive("leaving-1", draining=True)
    assert ask("waiting").remedy == diagnosis.DRAINS
    alive("host-1")
    assert ask("servers").severity is OK
    assert not told(health.examine(storage), "queues")


def test_queues_that_nobody_takes_from(storage, alive, ask):
    storage.enqueue_many([Job("m", queue=queue) for queue in ("a", "b", "c", "d", "e")])
    assert told(health.examine(storage), "queues") == []  # no server: another finding says so
    alive(queues=["a"])
    found = ask("queues")
    assert found.severity is WARNING
    assert found.fact.endswith("takes from: b, c, d and 1 more")
    assert "--queues b,c,d;" in found.remedy
    alive("host-2", queues=["b", "c", "d", "e"])
    assert told(health.examine(storage), "queues") == []
    servers.leave(storage, "host-2")
    alive("host-3", queues=None)
    assert told(health.examine(storage), "queues") == []


@pytest.mark.parametrize(
    ("is_there", "patience", "severity"), [(True, 45, ERROR), (False, 10, WARNING)]
)
def test_jobs_that_nobody_rescues(storage, clock, alive, ask, is_there, patience, severity):
    storage.enqueue_many([Job("m"), Job("m")])
    storage.fetch_available_jobs_atomic("w", 2, lease_seconds=30)
    clock.advance(30 + patience)
    if is_there:
        alive()
    assert ask("orphans").severity is OK
    clock.advance(1)
    found = ask("orphans")
    assert found.severity is severity
    assert (
        found.fact == f"2 jobs left behind by workers that are gone, since up to {patience + 1} s"
    )
    assert ("see their logs" if is_there else "start a server") in found.remedy


def test_many_of_them(storage, clock, ask):
    storage.enqueue_many([Job("m") for _ in range(LOOKED_AT + 1)])
    storage.fetch_available_jobs_atomic("w", LOOKED_AT + 1)
    clock.advance(100)
    assert ask("orphans").fact.startswith("100 jobs or more left behind")


@pytest.mark.parametrize(("seconds", "severity"), [(60, OK), (61, WARNING)])
def test_a_schedule_that_nobody_issues(storage, clock, ask, seconds, severity):
    storage.schedules.add("s", Every(100), Job("m"))
    storage.schedules.add("other", Every(1000), Job("m"))
    assert ask("schedules").fact == "2 schedules, none of them late"
    clock.advance(100 + seconds)
    found = ask("schedules")
    assert found.severity == severity
    if severity:
        assert found.fact == "1 schedule is due and not issued, the longest for 1 min: s"
        assert "qml schedules remove" in found.remedy
        storage.schedules.pause("s")
        assert ask("schedules").severity == OK


def test_a_schedule_that_cannot_be_read(storage, ask):
    storage.driver.write("schedule/broken", "{", 0)
    found = ask("schedules")
    assert found.severity == ERROR
    assert found.fact.endswith("issues nothing, the first: broken")


def test_a_server_without_a_sign(storage, clock, alive):
    alive("a-1")
    clock.advance(35)
    assert [f.severity for f in told(health.examine(storage), "servers")] == [OK]
    clock.advance(0.001)
    alive("b-1")
    silent, there = told(health.examine(storage), "servers")
    assert (silent.severity, there.severity) == (WARNING, OK)
    assert silent.fact == "no sign for 35 s or more from a-1"
    assert "struck off 10 min after" in silent.remedy
    assert there.fact == "1 server alive, with 4 threads"


def test_what_a_server_says_may_be_nonsense(storage, alive):
    alive("odd-1", threads="many", running=None, queues="all")
    storage.enqueue(Job("m"))
    assert one(health.examine(storage), "servers").fact == "1 server alive, with 0 threads"
    assert told(health.examine(storage), "queues") == []


def test_what_failed_for_good_lately(storage, clock, ask):
    for method in ("b", "a", "b"):
        storage.enqueue(Job(method))
        storage.finish(storage.fetch_and_lock_job("w"), Failed(exception="E: secret"))
    clock.advance(3_600)
    assert ask("failures") == (
        *(NOTE, "failures", "3 jobs failed for good in the last hour: a, b"),
        "see: qml jobs list --state failed",
    )
    clock.advance(0.001)
    assert ask("failures").severity is OK


def test_many_that_failed(storage, clock, ask):
    failed = Failed(failed_at=clock.now())
    storage.enqueue_many([Job("m", state=failed) for _ in range(LOOKED_AT + 1)])
    assert ask("failures").fact == "100 jobs or more failed for good in the last hour: m"


@pytest.mark.parametrize("state", ["enqueued", "failed", "processing"])
def test_a_record_that_cannot_be_read(storage, ask, state):
    lapsed = {"worker": "w", "lease_until": 1, "due_at": None}
    columns = {"enqueued": {}, "failed": {"due_at": None, "finished_at": 1}, "processing": lapsed}
    storage.driver.insert([row("bad", state=state, payload="{", **columns[state])])
    found = ask("damage")
    assert found.severity is ERROR
    assert "cannot be read in full, such as job bad: " in found.fact
    assert "payload" in found.fact
    assert "qml jobs show bad" in found.remedy


def test_a_damaged_job_has_no_say_in_how_long_jobs_wait(storage, ask):
    storage.driver.insert([row("bad", detail="{")])
    assert ask("waiting").fact == "no job is due"


def test_states_that_this_qml_does_not_know(storage):
    storage.driver.insert([row("new", state="paused", due_at=None)])
    strange, read = told(health.examine(storage), "damage")
    assert (strange.severity, read.severity) == (ERROR, OK)
    assert strange.fact == "1 job in states this qml does not know: paused"


def test_only_the_deep_look_reads_everything(storage, ask):
    fine = '{"enqueued_at":0,"queue":"q"}'
    rows = [row(f"{n}", payload="[[],{}]", detail=fine) for n in range(2 * comparing.MOST_ROWS + 1)]
    rows[300] = row("bad", payload="{", detail=fine)
    storage.driver.insert(rows)
    assert ask("damage").severity is OK
    assert ask("damage", deep=True).fact.startswith("1 of the 1,001 jobs looked at")


def test_more_threads_than_connections(storage, alive, ask):
    alive("small-1", threads=10)
    assert told(health.examine(storage, connections=10), "pool") == []
    alive("wide-1", threads=32)
    found = ask("pool", connections=10)
    assert found.severity is NOTE
    assert found.fact == "wide-1: up to 32 threads share 10 connections (by this URL)"
    assert "?max_connections=32" in found.remedy
    assert told(health.examine(storage), "pool") == []  # no pool to be held against


# -- what an examination may do --------------------------------------------------------------------


class Watched:
    """A driver that only looks, and counts what it was asked and what it gave."""

    VERBS = ("scan", "count", "time", "list", "read", "used", "examine", "describe")

    def __init__(self, driver):
        self.driver, self.calls, self.rows = driver, [], 0

    def __getattr__(self, name):
        if name == "verify":
            raise AttributeError(name)
        assert name in self.VERBS, f"an examination calls {name}"

        def call(*arguments):
            self.calls.append(name)
            answer = getattr(self.driver, name)(*arguments)
            self.rows += len(answer) if name == "scan" else 0
            return answer

        return call


def test_it_looks_at_a_few_jobs_only_and_changes_nothing(storage, clock, alive):
    alive()
    year = Scheduled(enqueue_at=clock.now() + timedelta(days=365))
    storage.enqueue_many([Job("m", state=year) for _ in range(1_000)])
    storage.enqueue_many([Job("m") for _ in range(1_000)])
    before = storage.driver.scan(Page()), storage.driver.list("")
    watched = storage.driver = Watched(storage.driver)
    health.examine(storage)
    storage.driver = watched.driver
    assert watched.rows <= 6 * LOOKED_AT
    assert len(watched.calls) <= 17
    assert (storage.driver.scan(Page()), storage.driver.list("")) == before


class Odd:
    """A driver some of whose verbs answer something else."""

    def __init__(self, driver, **verbs):
        self.driver, self.verbs = driver, verbs

    def __getattr__(self, name):
        if name == "verify" and name not in self.verbs:
            raise AttributeError(name)
        return self.verbs.get(name) or getattr(self.driver, name)


def failing(error):
    def fail(*arguments):
        raise error

    return fail


def test_a_store_that_goes_away_meanwhile_is_a_finding(storage):
    asked = []
    storage.driver = Odd(
        storage.driver,
        count=failing(StorageUnavailable("it does not answer")),
        examine=lambda: asked.append("examine") or [],
    )
    assert health.examine(storage) == [
        Finding(ERROR, "reachability", "it does not answer", ""),
    ]
    assert asked == []  # that would wait in vain


def test_what_the_driver_finds_stands_among_the_rest(storage, alive):
    alive()
    mine = [Finding(OK, "a", "fine"), Finding(ERROR, "b", "bad"), Finding(NOTE, "c", "so")]
    storage.driver = Odd(storage.driver, examine=lambda: mine)
    found = health.examine(storage)
    assert found[:2] == [mine[1], mine[2]]
    assert found[-1] == mine[0]
    assert [f.severity for f in found] == sorted((f.severity for f in found), reverse=True)


def test_an_examination_of_the_driver_that_fails_hides_nothing(storage):
    storage.driver = Odd(storage.driver, examine=failing(MigrationError("too new")))
    found = health.examine(storage)
    assert found[0] == (ERROR, "schema", "too new", "")
    assert {"clock", "jobs", "orphans"} <= {f.topic for f in found}


def test_a_driver_that_can_look_through_its_store_does_so_when_asked(storage):
    whole = Finding(OK, "structure", "whole")
    storage.driver = Odd(storage.driver, verify=lambda: [whole])
    assert whole not in health.examine(storage)
    assert whole in health.examine(storage, deep=True)


@pytest.mark.parametrize("seconds", [3, -3, 60, -60])
def test_the_stores_clock_is_held_against_this_machines(storage, seconds):
    driver = storage.driver
    storage.driver = Odd(driver, time=lambda: driver.time() + seconds * 1_000_000)
    found = one(health.examine(storage), "clock")
    where = "ahead of" if seconds > 0 else "behind"
    assert found.severity is (NOTE if abs(seconds) == 3 else WARNING)
    assert f"{abs(seconds)}.0 s {where} this machine's" in found.fact
    assert "the store's decides" in found.fact


# -- weighed at the limits -------------------------------------------------------------------------


@pytest.fixture
def facts(clock):
    return Facts(
        now=clock.now(),
        round_trip=0.0001,
        ahead=0.0,
        counts={},
        servers=[],
        waiting=[],
        failed=[],
        lapsed=[],
        looked_at=0,
        damaged=0,
        example=None,
        connections=None,
    )


@pytest.mark.parametrize(
    ("seconds", "severity", "said"),
    [
        (0.00009, OK, "under 0.1 ms"),
        (0.0001, OK, "0.1 ms"),
        (0.05, OK, "50 ms"),
        (0.0501, NOTE, "50 ms"),
        (1.0, NOTE, "1.0 s"),
        (1.001, WARNING, "1.0 s"),
    ],
)
def test_the_round_trip(facts, seconds, severity, said):
    [found] = diagnosis.reachability(attrs.evolve(facts, round_trip=seconds))
    assert (found.severity, found.fact) == (severity, f"it answers in {said}")
    assert bool(found.remedy) == bool(severity)


@pytest.mark.parametrize(
    ("seconds", "severity"), [(1.0, OK), (1.01, NOTE), (5.0, NOTE), (5.01, WARNING)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_clock(facts, seconds, severity, sign):
    [found] = diagnosis.clock(attrs.evolve(facts, ahead=sign * seconds))
    assert found.severity is severity
    assert bool(found.remedy) == bool(severity)


def test_a_job_that_a_fast_clock_stamped_has_not_waited_less_than_nothing(facts, clock):
    job = Job("m", created_at=clock.now() + timedelta(seconds=100))
    [found] = diagnosis.waiting(attrs.evolve(facts, waiting=[job]))
    assert found.fact == "the oldest job that is due has waited 0 s"


def test_every_finding_that_is_bad_says_what_to_do(storage, clock, alive):
    alive("old-1")
    storage.enqueue_many([Job("m", created_at=clock.now()), Job("m", created_at=clock.now())])
    storage.fetch_and_lock_job("w")
    storage.driver.insert([row("bad", payload="{"), row("new", state="paused", due_at=None)])
    clock.advance(400)
    alive(queues=["elsewhere"], threads=99)
    driver = storage.driver
    storage.driver = Odd(driver, time=lambda: driver.time() + 10_000_000)
    found = health.examine(storage, connections=10)
    bad = [f for f in found if f.severity and f.topic in COMMON]
    assert {f.topic for f in bad} == {
        *("clock", "servers", "waiting", "queues", "orphans", "damage", "pool"),
    }
    assert all(f.remedy for f in bad)

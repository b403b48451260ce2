"""Time, text, failures: naive times, clocks that jump, garbage records, errors of any form."""

import json
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from qml import (
    AwaitingRetry,
    ConfigurationError,
    Failed,
    Job,
    JobFailed,
    Qml,
    Retry,
    RetryPolicy,
    Scheduled,
    SqliteStorage,
    StateKind,
    Succeeded,
)
from qml.drivers.sqlite import clock as shared_clock
from tests.work.support import eventually, other_connection

NAIVE = datetime(2031, 5, 1, 12)
DAY = 86_400


# -- times -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scheduled(enqueue_at=NAIVE),
        lambda: Scheduled(NAIVE, NAIVE.replace(tzinfo=UTC)),
        lambda: AwaitingRetry(retry_at=NAIVE),
        lambda: Succeeded(NAIVE),
        lambda: Job("t", created_at=NAIVE),
    ],
    ids=["enqueue_at", "scheduled_at", "retry_at", "succeeded_at", "created_at"],
)
def test_law6_naive_times_are_refused_with_a_sentence(make):
    """rq 1001, huey 139: read as local here and as UTC there."""
    with pytest.raises(ConfigurationError, match=r"naive datetime.*Give an aware one, such as"):
        make()


@pytest.mark.parametrize("hours", [-11, 0, 5.75, 14])
def test_law6_aware_times_are_kept_to_the_instant(storage, hours):
    moment = datetime(2031, 5, 1, 12, 0, 0, 123457, timezone(timedelta(hours=hours)))
    job = storage.enqueue(Job("t", created_at=moment, state=Scheduled(moment, moment)))
    stored = storage.get(job.id)
    assert stored.state.enqueue_at == moment == stored.created_at
    assert stored.state.enqueue_at.tzinfo is UTC


class WallClock:
    """The machine's clock of this process, set by the test; the steady counter goes on."""

    def __init__(self, monkeypatch):
        self.ahead = 0
        real, real_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: real() + self.ahead)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + self.ahead * 10**9)


@pytest.mark.parametrize("jump", [DAY, -DAY, 365 * DAY])
def test_law6_a_process_whose_clock_jumps_claims_and_frees_nothing_early(
    make_storage, monkeypatch, jump
):
    """cel 5892: the clock set ahead and back; the beat stopped, or spun."""
    wall = WallClock(monkeypatch)
    storage, other = make_storage(), make_storage()
    if make_storage.kind == "memory":
        other = storage
    held, later = storage.enqueue_many(
        [Job("held"), Job("later", state=Scheduled(enqueue_at=storage.now() + timedelta(hours=1)))]
    )
    storage.fetch_and_lock_job("w")
    before = storage.now()
    for ahead in (jump, 0, -jump, 0, jump):
        wall.ahead = ahead
        for one in (storage, other):
            one.clock.sync()
            assert abs(one.now() - before) < timedelta(seconds=20)
            assert one.rescue() == []
            assert one.get_available_jobs() == []
            assert one.fetch_and_lock_job("thief") is None
    assert storage.get(held.id).lease_expires_at - before < timedelta(seconds=31)
    assert storage.get(later.id).state.kind is StateKind.SCHEDULED


def test_law6_a_server_neither_stalls_nor_spins_when_the_clock_jumps(make_storage, monkeypatch):
    wall = WallClock(monkeypatch)
    app = Qml(make_storage())
    claims, driver = [], app.storage.driver
    inner = driver.claim
    monkeypatch.setattr(driver, "claim", lambda order: claims.append(1) or inner(order))
    task = app.task(name="t")(lambda: 1)
    task.using(run_after=3600).enqueue()
    with app.server(threads=1, poll_interval=0.2, lease_seconds=0.5) as server:
        for ahead in (DAY, 0, -DAY, 0):
            wall.ahead = ahead
            server.upkeep.heartbeat()  # looks at the clock again
            claims.clear()
            begun = time.monotonic()
            assert app.result(task.enqueue(), timeout=20) == 1
            eventually(lambda: len(claims) >= 3)  # goes on looking
            assert len(claims) < 60 + 100 * (time.monotonic() - begun)
    assert app.storage.get_job_counts()["scheduled"] == 1


def test_law6_a_lasting_correction_is_followed_slowly(tmp_path, monkeypatch):
    wall, counter = WallClock(monkeypatch), [shared_clock.steady_micros()]
    monkeypatch.setattr(shared_clock, "steady_micros", lambda: counter[0])
    with SqliteStorage(tmp_path / "jobs.db") as storage:
        before = storage.driver.time()
        wall.ahead = 100
        counter[0] += 9_000_000
        assert storage.driver.time() - before == 9_000_000
        counter[0] += 1_000_000
        assert storage.driver.time() - before == 11_000_000  # a second in ten, and no more
        assert storage.driver.time() - before == 11_000_000


def test_law6_two_processes_of_different_clocks_agree(tmp_path, monkeypatch):
    wall = WallClock(monkeypatch)
    with SqliteStorage(tmp_path / "jobs.db") as one:
        wall.ahead = 5 * DAY
        with SqliteStorage(tmp_path / "jobs.db") as two:
            assert abs(one.now() - two.now()) < timedelta(seconds=10)


# -- what cannot be read ---------------------------------------------------------------------------

GARBAGE = {
    "no json": "UPDATE qml_payloads SET body = '{nope' WHERE seq = ?",
    "other json": "UPDATE qml_payloads SET body = '{\"a\": 1}' WHERE seq = ?",
    "arguments no list": "UPDATE qml_payloads SET body = '[5, {}]' WHERE seq = ?",
    "bytes": "UPDATE qml_payloads SET body = x'ff00fe' WHERE seq = ?",
    "no utf-8": "UPDATE qml_payloads SET body = CAST(x'5b225bff225d' AS TEXT) WHERE seq = ?",
    "gone": "DELETE FROM qml_payloads WHERE seq = ?",
    "too deep": "UPDATE qml_payloads SET body = replace(hex(zeroblob(50000)), '0', '[') "
    "WHERE seq = ?",
    "metadata": "UPDATE qml_jobs SET metadata = '[]' WHERE seq = ?",
    "metadata bytes": "UPDATE qml_jobs SET metadata = x'ff' WHERE seq = ?",
    "failures": "UPDATE qml_jobs SET failures = '[[1]]' WHERE seq = ?",
    "failures no utf-8": "UPDATE qml_jobs SET failures = CAST(x'5bff' AS TEXT) WHERE seq = ?",
}

BEFORE_THE_CLAIM = {
    "state": "UPDATE qml_jobs SET detail = '{}' WHERE seq = ?",
    "state bytes": "UPDATE qml_jobs SET detail = x'ff' WHERE seq = ?",
    "time beyond the calendar": "UPDATE qml_jobs SET created_at = 9000000000000000000 "
    "WHERE seq = ?",
    "no name of a method": "UPDATE qml_jobs SET method = '' WHERE seq = ?",
    "method no utf-8": "UPDATE qml_jobs SET method = CAST(x'ff' AS TEXT) WHERE seq = ?",
    "method bytes": "UPDATE qml_jobs SET method = x'ff' WHERE seq = ?",
    "queue bytes": "UPDATE qml_jobs SET queue = x'ff' WHERE seq = ?",
    "key bytes": "UPDATE qml_jobs SET unique_key = x'ff' WHERE seq = ?",
    "limit": "UPDATE qml_jobs SET timeout_seconds = -5 WHERE seq = ?",
    "retries": "UPDATE qml_jobs SET max_retries = 'many' WHERE seq = ?",
    "priority": "UPDATE qml_jobs SET priority = 'high' WHERE seq = ?",
    "scope": "UPDATE qml_jobs SET unique_while = 'ever' WHERE seq = ?",
}


@pytest.mark.parametrize("kind", [*GARBAGE, *BEFORE_THE_CLAIM])
def test_law11_a_record_that_cannot_be_read_is_one_bad_job(tmp_path, clock, kind):
    """rq 708, djrq 291: it stayed "started" for ever, and pages gave an error."""
    ran = []
    with SqliteStorage(tmp_path / "jobs.db", clock=clock) as storage:
        app = Qml(storage)
        jobs = app.task(name="t")(ran.append).enqueue_many([("1",), ("2",), ("3",)])
        bad = jobs[1].id
        with other_connection(tmp_path / "jobs.db") as connection:
            connection.execute((GARBAGE | BEFORE_THE_CLAIM)[kind], [2])
        assert len(storage.list()) == 3  # pages list all
        assert jobs[0].id in {job.id for job in storage.get_available_jobs()}
        server = app.server()
        for _ in range(10):
            server.step()
            server.tick()
            clock.advance(5000)
        assert {"1", "3"} <= set(ran)
        fine = [storage.get(jobs[n].id).state.kind.value for n in (0, 2)]
        assert fine == ["succeeded", "succeeded"]
        counts = storage.get_job_counts()
        assert counts["processing"] == counts["enqueued"] == counts["awaiting_retry"] == 0
        stored = storage.get(bad)
        assert stored.state.kind in (StateKind.FAILED, StateKind.SUCCEEDED)
        if kind in GARBAGE and stored.state.kind is StateKind.FAILED:
            with pytest.raises(JobFailed, match="damaged"):
                app.result(bad, timeout=0)
        assert len(storage.list(limit=2)) == 2
        assert storage.delete(bad)


@pytest.mark.parametrize("kind", GARBAGE)
def test_law11_an_orphan_that_cannot_be_read_stops_no_sweep(tmp_path, clock, kind):
    with SqliteStorage(tmp_path / "jobs.db", clock=clock) as storage:
        storage.enqueue_many([Job("t", max_retries=0) for _ in range(3)])
        storage.fetch_available_jobs_atomic("dead")
        with other_connection(tmp_path / "jobs.db") as connection:
            connection.execute(GARBAGE[kind], [2])
        clock.advance(31)
        assert len(storage.rescue()) == 3
        assert storage.get_job_counts()["failed"] == 3


def test_law11_a_damaged_job_is_not_cleaned_by_an_update(tmp_path):
    """What could not be read is kept as it is, for whoever can."""
    with SqliteStorage(tmp_path / "jobs.db") as storage:
        job = storage.enqueue(Job("t", ["precious"]))
        with other_connection(tmp_path / "jobs.db") as connection:
            connection.execute("UPDATE qml_payloads SET body = '[[\"precious'")
        storage.update(storage.get(job.id).with_metadata(seen=True))
        with other_connection(tmp_path / "jobs.db") as connection:
            assert connection.execute("SELECT body FROM qml_payloads").fetchone() == (
                '[["precious',
            )


# -- errors of any form ----------------------------------------------------------------------------

ERRORS = {
    "lone surrogate": ("caf\udce9", "caf\\udce9"),
    "NUL": ("a\0b", "a\\x00b"),
    "emoji": ("\U0001f600", "\U0001f600"),
    "both": ("\0\ud800\0", "\\x00\\ud800\\x00"),
    "empty": ("", "ValueError"),
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("last", [True, False], ids=["for good", "to be retried"])
def test_a_failure_can_always_be_written_down(app, kind, last):
    """tinyjobs, pulse-queue, gigq: a lone surrogate left the job running until its lease lapsed."""
    text, shown = ERRORS[kind]

    def task():
        raise ValueError(text)

    job = app.task(max_retries=0 if last else 3)(task).enqueue()
    assert app.server().step() == 1
    stored = app.storage.get(job.id)
    assert stored.state.kind == ("failed" if last else "awaiting_retry")  # recorded once, at once
    [failure] = stored.failures
    assert shown in failure.exception
    assert shown in failure.traceback
    assert json.loads(stored.to_json())["id"] == job.id


@pytest.mark.parametrize("where", ["exception", "chain"])
def test_an_error_of_five_megabytes_is_kept_readable_and_short(app, where):
    def task():
        try:
            raise ValueError("begin " + "x" * 5_000_000 + " end")
        except ValueError as error:
            if where == "chain":
                raise Retry("again") from error
            raise

    job = app.task(max_retries=1)(task).enqueue()
    app.server().step()
    [failure] = app.storage.get(job.id).failures
    assert "begin" in failure.exception
    assert failure.exception.endswith(" end")
    assert "characters cut" in failure.exception
    assert len(failure.exception) < 21_000
    assert len(failure.traceback) < 21_000
    assert len(app.storage.get(job.id).to_json()) < 100_000


def test_law13_failures_do_not_grow_without_end(app, clock):
    def task():
        raise ValueError("x" * 100_000)

    job = app.task(retry=RetryPolicy(max_retries=40, base=0))(task).enqueue()
    server = app.server()
    while server.step():
        pass
    stored = app.storage.get(job.id)
    assert (stored.attempt, len(stored.failures)) == (41, 20)
    assert [failure.attempt for failure in stored.failures] == list(range(22, 42))


@pytest.mark.parametrize("text", [text for text, _ in ERRORS.values()], ids=list(ERRORS))
def test_a_finish_by_hand_takes_any_text(storage, text):
    storage.enqueue(Job("t"))
    job = storage.fetch_and_lock_job("w")
    done = storage.finish(job, Failed(exception=text, stack_trace=text))
    assert storage.get(job.id) == done
    assert storage.finish(job, Failed(exception=text, stack_trace=text)) == done  # again


@pytest.mark.parametrize("text", [text for text, _ in ERRORS.values()], ids=list(ERRORS))
def test_a_cancel_takes_any_reason(storage, text):
    job = storage.enqueue(Job("t"))
    storage.cancel(job.id, text)
    assert storage.get(job.id).state.kind is StateKind.DELETED


def test_an_unknown_method_is_tried_again_then_fails_and_the_waiter_hears(site):
    """dq 448: a name the worker does not know blocked the waiter for ever."""
    job = site.storage.enqueue(Job("not.there", max_retries=1))
    site.serve(threads=1)
    with pytest.raises(JobFailed, match=r"UnknownMethod: no task 'not\.there' in this server"):
        site.app.result(job, timeout=30)
    stored = site.storage.get(job.id)
    assert (stored.attempt, len(stored.failures)) == (2, 2)


# -- never pickle ----------------------------------------------------------------------------------


def test_nothing_in_the_store_is_pickle_or_code():
    """huey 818, rq 369: what is stored runs code when it is loaded."""
    import sys
    from pathlib import Path

    import qml

    package = Path(qml.__file__).parent
    sources = {path: path.read_text() for path in package.rglob("*.py")}
    for word in ("pickle", "marshal", "shelve", "eval(", "exec("):
        assert [path for path, text in sources.items() if word in text] == [], word
    assert "pickle" not in {name.partition(".")[0] for name in sys.modules if "qml" in name}

"""Schedules: one tick is one job, whatever servers, forks, restarts and kills there are."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
import pytest

from qml import Cron, Job, ManualClock, Qml, connect, current_job
from tests.field.ticking import PERIOD, make
from tests.storage.stores import KINDS
from tests.work.support import MAKERS, eventually

REPO = Path(__file__).parents[2]


@contextlib.contextmanager
def forked(kind, settings, first):
    """A parent of four forked servers; its pid and theirs."""
    words = {"kind": kind, "settings": settings, "children": 4, "first": first}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.field.ticking", json.dumps(words)],
        cwd=REPO,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield json.loads(process.stdout.readline())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ticks(storage):
    return sorted(job.slot for job in storage.list(method="tick"))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", ["sqlite", "postgres", "redis"])
def test_forked_servers_and_a_kill_give_one_job_for_each_slot(tmp_path, kind, first):
    """Flask behind a forking web server, or its reloader: each ran every schedule, until the first
    cure stopped them all (flask-apscheduler 139, 147)."""
    place = KINDS[kind](tmp_path)
    with connect(place) as storage:
        settings = (
            {"path": place.removeprefix("sqlite:///")} if kind == "sqlite" else attrs.asdict(place)
        )
        with forked(kind, settings, first) as pids:
            eventually(lambda: len(ticks(storage)) >= 4)
            os.kill(pids[0], signal.SIGKILL)  # at any point between a slot and its job
            os.kill(pids[1], signal.SIGKILL)
            many = len(ticks(storage)) + 5
            eventually(lambda: len(ticks(storage)) >= many)
        slots = ticks(storage)
        assert len(set(slots)) == len(slots)
        assert {later - slot for slot, later in pairwise(slots)} == {timedelta(seconds=PERIOD)}


def test_a_restart_in_another_process_keeps_the_place(tmp_path):
    """A restart within the minute enqueued the tick twice (huey 850); registering again reset the
    next run."""
    settings = {"path": str(tmp_path / "jobs.db")}
    for _ in range(3):
        with forked("sqlite", settings, False), make("sqlite", settings) as jobs:
            many = len(ticks(jobs.storage)) + 3
            eventually(lambda many=many, jobs=jobs: len(ticks(jobs.storage)) >= many)
    with make("sqlite", settings) as jobs:
        slots = ticks(jobs.storage)
    assert len(set(slots)) == len(slots)
    assert {later - slot for slot, later in pairwise(slots)} == {timedelta(seconds=PERIOD)}


@pytest.fixture(params=MAKERS)
def storage(request, tmp_path):
    with MAKERS[request.param](tmp_path, clock=ManualClock(1_900_000_000)) as storage:
        yield storage


def test_daily_at_noon_in_berlin_is_noon_all_year(storage):
    """A daily rule kept in UTC drifts an hour (django-q 630)."""
    jobs = Qml(storage)
    seen = []
    jobs.cron("0 12 * * *", "Europe/Berlin", name="noon", catch_up="all")(
        jobs.task(name="t")(lambda: seen.append(current_job().slot))
    )
    server = jobs.server(threads=50)
    server.tick()
    for _ in range(53):
        storage.clock.advance(7 * 86_400)
        server.tick()
        while server.step():
            pass
        storage.clock.advance(0.001)
    local = [slot.astimezone(ZoneInfo("Europe/Berlin")) for slot in seen]
    assert {(slot.hour, slot.minute) for slot in local} == {(12, 0)}
    assert {later.date() - slot.date() for slot, later in pairwise(local)} == {timedelta(days=1)}
    assert {slot.utcoffset() for slot in local} == {timedelta(hours=1), timedelta(hours=2)}


def test_three_hundred_schedules_of_one_minute_all_move(storage):
    """300 schedules in one minute (procrastinate 1464)."""
    jobs = Qml(storage)
    task = jobs.task(name="t")(print)
    for number in range(300):
        storage.schedules.add(f"s{number:03}", Cron("* * * * *"), task.job())
    storage.clock.advance(60)
    jobs.server().tick()
    found = storage.list(method="t")
    assert len({(job.schedule, job.slot) for job in found}) == len(found) == 300


def test_the_clock_set_ahead_and_back_neither_stops_nor_doubles_a_schedule(storage):
    """The clock a day ahead for one pass and back: the beat stopped, or spun (celery 5892)."""
    jobs = Qml(storage)
    jobs.cron("* * * * *", name="s")(jobs.task(name="t")(print))
    server, truth = jobs.server(), storage.clock
    server.tick()
    storage.clock = ManualClock(truth.now() + timedelta(days=1))
    server.tick()
    storage.clock = truth
    for _ in range(5):
        truth.advance(60)
        server.tick()
    slots = [job.slot for job in storage.list(method="t")]
    assert len(set(slots)) == len(slots) == 1  # it waits for what was issued ahead, and no longer
    truth.advance(86_400)
    server.tick()
    assert len(storage.list(method="t")) == 2


def test_an_issue_that_ends_between_look_and_write_does_not_end_the_series(storage):
    """The next occurrence was made by running this one; a crash ended the series (BullMQ 3272)."""
    jobs = Qml(storage)
    jobs.schedules.add("s", Cron("* * * * *"), Job("t"))
    storage.clock.advance(60)
    known = storage.schedules.known("s")  # and here it ends
    storage.clock.advance(60)
    assert len(storage.schedules.issue(known)) == 1
    assert storage.schedules.issue(known) == []
    storage.clock.advance(60)
    assert len(storage.schedules.issue(storage.schedules.known("s"))) == 1
    assert len({job.slot for job in storage.list()}) == 2

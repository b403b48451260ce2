"""Web servers of many processes: each schedule's slot is one job, and none is left out."""

import os
from itertools import pairwise

import pytest

from tests.flask.sites import Site, assert_one_each, gunicorn, made_by, run_command

posix = pytest.mark.skipif(os.name != "posix", reason="gunicorn forks")


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path) as site:
        yield site


def test_law8_with_the_reloader_one_process_runs_each_slot_once(site):
    """faps 139: the watching parent makes the app, too, and must not run jobs; the serving child
    must, without having been asked anything."""
    parent = run_command(site, "--debug")
    slots, pids = site.ticks(6)
    assert_one_each(slots)
    [child] = pids
    assert made_by(site) == {parent.pid, child}
    assert parent.pid != child


@pytest.mark.parametrize("words", [(), ("--debug", "--no-reload"), ("--no-debug",)])
def test_law8_without_the_reloader_the_process_itself_runs_them(site, words):
    """faps 147, 198, 234: the usual cure looks for the reloader's variable, and so runs none
    where there is no reloader."""
    process = run_command(site, *words)
    slots, pids = site.ticks(3)
    assert_one_each(slots)
    assert pids == {process.pid}


@posix
@pytest.mark.parametrize("debug", ["0", "1"])
@pytest.mark.parametrize("words", [(), ("--preload",), ("--preload", "--threads", "4")])
def test_law8_four_workers_run_each_slot_once_and_never_none(site, words, debug):
    """faps 13, 87, 198: N times with N workers, or, with --preload or debug, not at all."""
    master = gunicorn(site, *words, FLASK_DEBUG=debug)
    slots, pids = site.ticks(10)
    assert_one_each(slots)
    assert master.pid not in pids
    times = sorted(map(float, slots))
    assert {round(b - a, 3) for a, b in pairwise(times)} == {0.3}  # none was left out

"""Kill -9 in a loop, and a crowd, on each store; in processes of their own, which fork cleanly."""

import os
import subprocess
import sys

import pytest

from tests.crash.mutants.trial import try_out
from tests.crash.stores import KINDS
from tests.house.rules import REPO

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the controller forks")

KILLS = {
    "sqlite": ("--kills=35", "--interval=0.15"),
    "postgres": ("--kills=15", "--interval=0.1", "--server-kills=2"),
    "redis": ("--kills=15", "--interval=0.1", "--server-kills=2"),
}
"""What some ten seconds each allow; thousands by hand."""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.mark.parametrize("store", KINDS)
def test_kills_lose_and_double_nothing(store, tmp_path):
    seed = str(int.from_bytes(os.urandom(2), "big"))
    where = f"--store={store}", f"--seed={seed}", f"--folder={tmp_path}"
    done = run("tests.crash.kills", *where, *KILLS[store])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
    print(done.stdout)  # how many jobs, how soon it recovered: seen with -s


@pytest.mark.parametrize("store", KINDS)
def test_64_threads_in_8_processes_hinder_nobody(store):
    done = run("tests.crash.crowd", f"--store={store}", "--seconds=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
    print(done.stdout)


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("a_claim_raises_no_fence", "--store=sqlite --kills=20 --interval=0.1"),
        ("rescue_ignores_the_lease", "--store=sqlite --kills=20 --interval=0.1"),
        ("the_server_flushes_too_late", "--store=redis --kills=0 --server-kills=1"),
        ("the_server_flushes_too_late", "--store=postgres --kills=0 --server-kills=1"),
    ],
)
def test_a_broken_qml_is_rejected(name, flags):
    """The mutants that a short run cannot miss; all of them by hand, see mutants/__main__.py."""
    rejected, rules = try_out(name, "--seed=1", "--drain=2", *flags.split())
    assert rejected
    assert rules


@pytest.mark.parametrize("of", ["OF_SQLITE", "OF_SERVERS"])
def test_every_mutant_still_finds_what_it_breaks(of):
    """In a process of its own, which is broken afterwards."""
    code = f"from tests.crash import mutants; [break_it() for break_it in mutants.{of}.values()]"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_only_a_server_of_our_own_is_killed():
    for where in ("--url=postgresql://localhost/jobs", "--store=sqlite"):
        done = run("tests.crash.kills", where, "--server-kills=1")
        assert done.returncode == 2
        assert "needs a --store with a server: postgres, redis" in done.stderr

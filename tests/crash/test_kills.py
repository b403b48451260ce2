"""Kill -9 in a loop, and a crowd on one file; each in a process of its own, which forks cleanly."""

import os
import subprocess
import sys

import pytest

from tests.crash import mutants
from tests.house.rules import REPO

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the controller forks")


def run(*arguments, root=REPO):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_200_kills_lose_and_double_nothing(tmp_path):
    seed = str(int.from_bytes(os.urandom(2), "big"))
    done = run("tests.crash.kills", "--kills=200", f"--seed={seed}", f"--folder={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout


def test_64_threads_in_8_processes_hinder_nobody():
    done = run("tests.crash.crowd", "--seconds=8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout


@pytest.mark.parametrize("name", ["a_claim_raises_no_fence", "rescue_ignores_the_lease"])
def test_a_broken_qml_is_rejected(name):
    """The mutants that a short run cannot miss; all of them by hand, see mutants.py."""
    rejected, rules = mutants.try_out(name, kills=20, seed=1)
    assert rejected
    assert rules


def test_every_mutant_still_finds_what_it_breaks():
    """In a process of its own, which is broken afterwards."""
    code = "from tests.crash.mutants import MUTANTS; [break_it() for break_it in MUTANTS.values()]"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

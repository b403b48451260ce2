"""Exactly once, shown by kill -9 for seconds; longer: ``python -m tests.crash.once``."""

import os
import subprocess
import sys

import pytest

from tests.house.rules import REPO

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.crash.once", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_each_effect_is_there_once(store):
    seed = str(int.from_bytes(os.urandom(2), "big"))
    done = run(f"--store={store}", f"--seed={seed}", "--kills=8", "--jobs=150")
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)


def test_a_success_that_is_recorded_by_itself_is_found():
    done = run("--store=sqlite", "--break", "--seed=1", "--kills=8", "--jobs=150")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 lines" in done.stdout

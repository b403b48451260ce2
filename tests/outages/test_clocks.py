"""The store's clock decides: a program whose wall clock is a day wrong is early for nothing."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .tasks import SOON, Site

REPO = Path(__file__).parents[2]
DAY = 86_400.0


def run_with_wrong_clock(store, seconds):
    """What it says."""
    command = [sys.executable, "-m", "tests.outages.wrong_clock"]
    arguments = [store.kind, store.url, store.name, str(seconds)]
    done = subprocess.run([*command, *arguments], cwd=REPO, capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("wrong", [DAY, -DAY])
def test_a_wrong_clock_claims_and_frees_nothing_early(store, wrong):
    with store.open(retry=SOON) as storage:
        site = Site(storage)
        site.note.enqueue("held")
        assert storage.fetch_and_lock_job("right", lease_seconds=3600)
        for name, seconds in (("due in an hour", 3600), ("due now", 0)):
            site.note.using(run_after=seconds).enqueue(name)
        told = run_with_wrong_clock(store, wrong)
        assert abs(told["wall"] - time.time() - wrong) < 60  # it is wrong indeed
        assert told["claimed"] == ["due now"]
        assert told["rescued"] == []
        [lease] = told["leases"]
        assert 20 < lease <= 30
        assert abs(told["now"] - storage.now().timestamp()) < 60
        due = storage.get(told["soon"]).state.enqueue_at
        assert 3500 < (due - storage.now()).total_seconds() <= 3600

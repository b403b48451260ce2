"""The machine and the contract suite find storages that are broken in one point."""

import re

import pytest
from hypothesis import Phase

from qml import MemoryStorage
from qml.testing import StorageMachine, StorageModel, check_storage
from qml.testing.contract import CHECKS, run_check
from qml.testing.machine import usual_settings
from tests.testing import later_faults, together_faults
from tests.testing.faults import FAULTS, SELDOM_MET, made_of

SEARCH = usual_settings(
    max_examples=3_000,  # it ends at the first that finds it; the rarest is in 1 of 400
    stateful_step_count=40,
    phases=[Phase.generate],
    derandomize=True,
    print_blob=False,
)

PARTS = ("expiring", "noting", "following", "recurring")

TOGETHER = ("limiting", "pausing", "waiting")

SHORT = usual_settings(
    max_examples=50, stateful_step_count=5, derandomize=True, print_blob=False, database=None
)


def checks(parts):
    return [check for check in CHECKS if check.__module__.rpartition(".")[2] in parts]


def names(faults):
    return pytest.mark.parametrize("fault", faults, ids=lambda fault: fault.__name__)


@names(FAULTS)
def test_the_suite_finds(fault):
    with pytest.raises(AssertionError) as raised:
        check_storage(made_of(fault))
    assert " checks fail" in str(raised.value)
    assert "promised in" in str(raised.value)


def run(parts, fault):
    make = made_of(fault)
    for check in checks(parts):
        run_check(check, make)


@names(later_faults.FAULTS)
def test_the_newer_checks_find(fault):
    """Those of expiry, notes, followers, bulk and schedules, without the others."""
    with pytest.raises(AssertionError, match="promised in"):
        run(PARTS, fault)


@names(together_faults.FAULTS)
def test_the_checks_of_working_together_find(fault):
    """Those of limits, paused queues, batches and chains, without the others."""
    with pytest.raises(AssertionError, match="promised in"):
        run(TOGETHER, fault)


OFTEN = [
    *(f for f in FAULTS if f.__name__ not in SELDOM_MET),
    *(f for f in later_faults.FAULTS if f.__name__ not in later_faults.SELDOM_MET),
    *(f for f in together_faults.FAULTS if f.__name__ not in together_faults.SELDOM_MET),
]


@names(OFTEN)
def test_the_machine_finds(fault):
    with pytest.raises(AssertionError):
        StorageMachine.run(made_of(fault), settings=SEARCH)


def test_a_finding_is_short_and_readable():
    make = made_of(next(f for f in FAULTS if f.__name__ == "ListIsOldestFirst"))
    with pytest.raises(AssertionError, match=r"list: promised: .*found: ") as raised:
        StorageMachine.run(make, settings=SHORT)
    steps = [line for line in raised.value.__notes__ if line.startswith("state.")]
    assert 2 <= len(steps) <= 4, steps  # the last is its end
    assert not [line for line in raised.value.__notes__ if "the_storage_agrees" in line]


def test_the_oracle_ends_what_was_changed_after_the_others():
    """A state machine found it that it did not, one time in thousands."""
    name = "what_follows_comes_in_the_order_of_the_ends"
    [check] = [check for check in CHECKS if check.__name__ == name]
    run_check(check, StorageModel)


def test_a_storage_that_crashes_is_told_where():
    class Crashes(MemoryStorage):
        def get_job_counts(self):
            raise KeyError("oh")

    [check] = [check for check in CHECKS if check.__name__ == "counts_have_every_kind"]
    where = rf"KeyError\('oh'\) at {re.escape(__file__)}:\d+, in get_job_counts"
    with pytest.raises(AssertionError, match=where):
        run_check(check, Crashes)


def test_the_unlocked_oracle_is_found_by_threads():
    """The oracle is for one thread, and the check of law 1 says so."""
    [check] = [check for check in CHECKS if check.__name__ == "each_job_has_one_owner"]

    def often():
        for _ in range(20):
            run_check(check, StorageModel)

    with pytest.raises(AssertionError, match="one worker per claim"):
        often()

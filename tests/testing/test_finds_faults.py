"""The machine and the contract suite find storages that are broken in one point."""

import pytest
from hypothesis import Phase

from qml.testing import StorageMachine, StorageModel, check_storage
from qml.testing.contract import CHECKS, run_check
from qml.testing.machine import usual_settings
from tests.testing.faults import FAULTS, made_of

SEARCH = usual_settings(
    max_examples=300,
    stateful_step_count=40,
    phases=[Phase.generate],
    derandomize=True,
    print_blob=False,
)

SHORT = usual_settings(
    max_examples=50, stateful_step_count=5, derandomize=True, print_blob=False, database=None
)


def names(faults):
    return pytest.mark.parametrize("fault", faults, ids=lambda fault: fault.__name__)


@names(FAULTS)
def test_the_suite_finds(fault):
    with pytest.raises(AssertionError) as raised:
        check_storage(made_of(fault))
    assert " checks fail" in str(raised.value)
    assert "promised in" in str(raised.value)


@names(FAULTS)
def test_the_machine_finds(fault):
    with pytest.raises(AssertionError):
        StorageMachine.run(made_of(fault), settings=SEARCH)


def test_a_finding_is_short_and_readable():
    make = made_of(next(f for f in FAULTS if f.__name__ == "ClaimIgnoresPriority"))
    with pytest.raises(AssertionError, match=r"promised: .*found: ") as raised:
        StorageMachine.run(make, settings=SHORT)
    steps = [line for line in raised.value.__notes__ if ".fetch" in line or ".begin_with" in line]
    assert len(steps) <= 3
    assert not [line for line in raised.value.__notes__ if "the_storage_agrees" in line]


def test_the_unlocked_oracle_is_found_by_threads():
    """The oracle is for one thread, and the check of law 1 says so."""
    [check] = [check for check in CHECKS if check.__name__ == "each_job_has_one_owner"]

    def often():
        for _ in range(20):
            run_check(check, StorageModel)

    with pytest.raises(AssertionError, match="one worker per claim"):
        often()

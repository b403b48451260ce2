"""Every storage keeps the contract, check by check."""

import pytest

from qml.testing import check_storage
from qml.testing.contract import CHECKS, run_check


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_contract(check, make_storage):
    run_check(check, make_storage)


def test_the_whole_suite_at_once(make_storage):
    check_storage(make_storage)

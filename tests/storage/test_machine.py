"""Every storage does what the oracle does, whatever the steps and their order."""

import pytest
from hypothesis import settings

from qml import RetryPolicy
from qml.testing import StorageMachine
from qml.testing.machine import usual_settings

EXAMPLES = {"memory": 0.6, "sqlite": 0.3, "postgres": 0.3, "redis": 0.3}  # times the profile's


def examples(make, share=1.0):
    count = int(settings.default.max_examples * EXAMPLES[make.kind] * share)
    return usual_settings(max_examples=count, stateful_step_count=40)


@pytest.mark.timeout(3600)
def test_a_storage_does_what_the_oracle_does(make_one):
    StorageMachine.run(make_one, settings=examples(make_one))


@pytest.mark.timeout(3600)
def test_retries_without_delay(make_one):
    """With delays of 0 rescue gives back to Enqueued; the policy's attempts are used up soon."""
    policy = RetryPolicy(max_retries=1, base=0)
    StorageMachine.run(
        lambda clock: make_one(clock, retry=policy), retry=policy, settings=examples(make_one, 0.3)
    )

"""A Hypothesis state machine that proves a storage against the oracle.

To prove a storage of your own::

    from qml.testing import StorageMachine


    def test_my_storage():
        StorageMachine.run(lambda clock: MyStorage(clock=clock))
"""

from .caller_steps import CallerSteps
from .claim_steps import ClaimSteps
from .group_steps import GroupSteps
from .schedule_steps import ScheduleSteps
from .steps import usual_settings
from .time_steps import TimeSteps

__all__ = ["StorageMachine", "usual_settings"]


class StorageMachine(CallerSteps, ClaimSteps, TimeSteps, ScheduleSteps, GroupSteps):
    """Proves a storage: whatever the steps and their order, it does what the oracle does.

    ``make_storage(clock)`` returns a fresh, empty storage that lives by that clock; ``retry`` is
    the policy it was made with. After every step all records, counts and available jobs are
    compared, and the schedules after what concerns one. Use ``StorageMachine.run``, or derive a
    class for Hypothesis's ``TestCase``::

        class Mine(StorageMachine):
            def __init__(self):
                super().__init__(make_storage)


        TestMine = Mine.TestCase
    """

"""Waiting for the end of a job: hints make it quick, a look now and then makes it sure."""

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..values.errors import WaitTimeout
from ..values.job import Job
from ..values.patience import Patience
from ..values.states import FINAL
from . import changes

LOOK_AGAIN = 1.0
"""Seconds after which it looks again, hint or no hint."""


def wait(driver: Driver, job_id: str, timeout: float | None) -> Job:
    """The job in its final state; WaitTimeout after ``timeout`` seconds, JobNotFound."""
    patience = Patience(timeout)
    driver.wait(0)  # what it sees is newer than the hints so far, which need not wake it
    while True:
        [row] = driver.load([job_id])
        if row is None:
            raise changes.not_found(job_id)
        if row.state in FINAL:
            return decode_job(row)
        left = patience.left()
        if left <= 0:
            raise WaitTimeout(
                f"job {job_id} ({row.method}) is still {row.state} after {timeout:g} s; it goes "
                "on: wait again, or start a server if none runs (qml run APP, or jobs.server())",
                job_id=job_id,
            )
        driver.wait(min(left, LOOK_AGAIN))

"""What went wrong with a job, as it may be shown: by it jobs are grouped, and found again."""

from ..values.errorgroups import normalised
from ..values.states import AwaitingRetry, Failed
from .redaction import Shown


def told(shown: Shown) -> tuple[str, str] | None:
    """The type and the message of a job's last error, without what varies and what is hidden; None
    where it has neither failed nor awaits a retry."""
    match shown.job.state:
        case Failed(exception=text) | AwaitingRetry(last_exception=text):
            return normalised(shown.text(text))
    return None


def name(kind: str, message: str) -> str:
    """An error in one text."""
    return f"{kind}: {message}" if message else kind


def has(shown: Shown, error: str) -> bool:
    """Whether a job's last error is this one."""
    found = told(shown)
    return found is not None and name(*found) == error

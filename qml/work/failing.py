"""What an exception means for its job: another attempt, after how long, or none."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import attrs

from ..values.errors import ConfigurationError
from ..values.retry import RetryPolicy

Kinds = tuple[type[BaseException], ...]


class Fate(NamedTuple):
    """``delay``: seconds until the next attempt, None = by the job's policy; ``final``: there is
    none."""

    delay: float | None = None
    final: bool = False


@attrs.frozen
class RetryOn:
    """Exceptions that are worth another attempt: those of ``policies``, by their own policy where
    they have one. Any other ends the job."""

    policies: Mapping[type[BaseException], RetryPolicy | None]

    def fate(self, error: BaseException, attempt: int) -> Fate:
        """What ``error`` in this attempt (1 = the first) means; its nearest class counts."""
        for kind in type(error).__mro__:
            if kind in self.policies:
                policy = self.policies[kind]
                if policy is None:
                    return Fate()
                return Fate(policy.delay(attempt), final=attempt > policy.max_retries)
        return Fate(final=True)


def retry_on(given: Any) -> RetryOn | None:
    """``retry_on`` as it is given: an exception class, several, or a dict from classes to retry
    policies; None = every exception."""
    if given is None or isinstance(given, RetryOn):
        return given
    if isinstance(given, Mapping):
        kinds(tuple(given), "retry_on")
        if not all(policy is None or isinstance(policy, RetryPolicy) for policy in given.values()):
            raise ConfigurationError(f"retry_on is {given!r}; give a RetryPolicy for each class")
        return RetryOn(dict(given))
    return RetryOn(dict.fromkeys(kinds(given, "retry_on")))


def kinds(given: Any, name: str) -> Kinds:
    """Exception classes as they are given: one or several."""
    found = (given,) if isinstance(given, type) else given
    try:
        found = tuple(found)
    except TypeError:
        found = (None,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in found):
        raise ConfigurationError(f"{name} is {given!r}; give exception classes, such as (OSError,)")
    return found


def give_up_on(given: Any) -> Kinds:
    """``give_up_on`` as it is given: an exception class, or several."""
    return kinds(given, "give_up_on")

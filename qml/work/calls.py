"""The calls of a function: whether arguments fit it, and which parameter gets which."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..values.errors import ConfigurationError, InvalidArguments
from .tx import parted


class Calls:
    """How the callers of task ``name`` call its function. ``signature``: what they give it;
    ``tx``: where it takes that besides, None = it does not."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        try:
            found = inspect.signature(function)
        except ValueError as error:
            raise ConfigurationError(
                f"task {name}: {error}; wrap it in a function of your own"
            ) from error
        self.signature, self.tx = parted(found)
        self._name = name

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        """The call; InvalidArguments, if these do not fit the signature."""
        try:
            return self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArguments(f"{self._name}{self.signature}: {error}") from None

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
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"task {name}: {error}; wrap it in a function of your own"
            ) from error
        self.signature, self.tx = parted(found)
        self._name = name
        self._fits: tuple[int, frozenset[str]] | None = None  # of the last call

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """InvalidArguments, if these do not fit the signature. Whether they do is up to their
        number and names, and one call is mostly like the last: a tenth of the time to bind."""
        fits = self._fits
        if fits is None or len(args) != fits[0] or kwargs.keys() != fits[1]:
            self.bound(args, kwargs)
            self._fits = len(args), frozenset(kwargs)

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        """The call; InvalidArguments, if these do not fit the signature."""
        try:
            return self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArguments(f"{self._name}{self.signature}: {error}") from None

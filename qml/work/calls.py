"""The calls of a function: whether arguments fit it, and which parameter gets which."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..values.errors import ConfigurationError, InvalidArguments
from .tx import parted

Bound = Mapping[str, Any]
"""A call by parameter, defaults filled in."""


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
        self._bind = binder(self.signature)

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Bound:
        """The call; InvalidArguments, if these do not fit the signature."""
        try:
            return self._bind(*args, **kwargs)
        except TypeError:
            return self._refused(args, kwargs)

    def _refused(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Bound:
        """``inspect`` has the better words."""
        try:
            call = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidArguments(f"{self._name}{self.signature}: {error}") from None
        call.apply_defaults()
        return call.arguments


class _Default:
    """Stands in the text of a signature for the default of a parameter."""

    def __init__(self, parameter: str) -> None:
        self._parameter = parameter

    def __repr__(self) -> str:
        return f"defaults[{self._parameter!r}]"


def binder(signature: inspect.Signature) -> Callable[..., Bound]:
    """A function of this signature that returns its arguments by parameter. Python itself binds
    them, in a twentieth of the time that ``inspect`` takes: 0.2 µs for 4 µs."""
    plain, defaults = [], {}
    for name, parameter in signature.parameters.items():
        default = parameter.default
        if default is not inspect.Parameter.empty:
            defaults[name], default = default, _Default(name)
        plain.append(parameter.replace(annotation=inspect.Parameter.empty, default=default))
    given = str(inspect.Signature(plain))[1:-1]
    found = ", ".join(f"{name!r}: {name}" for name in signature.parameters)
    made: Callable[..., Bound] = eval(f"lambda {given}: {{{found}}}", {"defaults": defaults})
    return made

"""Functions as users give them, for threads of ours to call."""

import inspect

from .errors import ConfigurationError


def check(what: str, function: object) -> None:
    """ConfigurationError for what cannot be called, or of which nothing runs when it is called."""
    if not callable(function):
        raise ConfigurationError(f"{what} is {function!r}; give a function")
    kinds = function, type(function).__call__  # an object may be called, too
    if any(map(inspect.iscoroutinefunction, kinds)):
        raise ConfigurationError(
            f"{what} is an async function, which threads cannot call; make it a plain one that "
            "calls asyncio.run"
        )
    if any(map(inspect.isgeneratorfunction, kinds)) or any(map(inspect.isasyncgenfunction, kinds)):
        raise ConfigurationError(
            f"{what} is a generator, nothing of which runs when it is called; make it a plain "
            "function, and return a list instead of yields"
        )

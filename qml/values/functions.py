"""Functions as users give them, for threads of ours to call."""

import inspect

from .errors import ConfigurationError


def check(what: str, function: object) -> None:
    """ConfigurationError for what cannot be called, or of which nothing runs when it is called."""
    if not callable(function):
        raise ConfigurationError(f"{what} is {function!r}; give a function")
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(
            f"{what} is an async function, which threads cannot call; make it a plain one that "
            "calls asyncio.run"
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(
            f"{what} is a generator, nothing of which runs when it is called; make it a plain "
            "function, and return a list instead of yields"
        )

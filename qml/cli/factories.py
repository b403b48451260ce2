"""From what a target names to a Qml: itself, a web app's, or what a call such as f() makes."""

import ast
from ast import literal_eval as literal
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..values.errors import ConfigurationError
from ..work.app import Qml

CALL = 'give literals, as in shop:create_app("test", debug=True)'


def is_call(attribute: str) -> bool:
    """Whether it has arguments, if only ()."""
    return attribute.endswith(")")


def call(module: ModuleType, attribute: str) -> object:
    """What the factory makes; it raises what that raises. ConfigurationError for another text than
    a call with literals."""
    name, _, _ = attribute.partition("(")
    factory = getattr(module, name, None)
    if not callable(factory):
        raise ConfigurationError(f"module {module.__name__} has no {name} that can be called")
    return _called(factory, attribute)


def _called(factory: Callable[..., Any], text: str) -> object:
    try:
        tree = ast.parse(text, mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
            raise ValueError("no call")
        args = [literal(arg) for arg in tree.args]
        kwargs = {word.arg or "": literal(word.value) for word in tree.keywords}
    except (SyntaxError, ValueError):
        raise ConfigurationError(f"{text!r} cannot be called; {CALL}") from None
    return factory(*args, **kwargs)


def qml_of(found: object, target: str) -> Qml | None:
    """The Qml it is, or that a web app has among its extensions; None = neither. An app is told
    its ``target``, by which the processes of its tasks find it."""
    if isinstance(found, Qml):
        return found
    extensions = getattr(found, "extensions", None)
    home = extensions.get("qml") if isinstance(extensions, dict) else None
    jobs = getattr(home, "jobs", None)
    if not isinstance(jobs, Qml):
        return None
    setattr(home, "source", target)  # noqa: B010 - which this floor knows nothing of
    return jobs

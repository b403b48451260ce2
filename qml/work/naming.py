"""The name by which a store knows a task: ``module.function``."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..values.errors import ConfigurationError

MAIN = ("__main__", "__mp_main__")
"""The running script, and what a process that multiprocessing has spawned calls it."""


def method_name(function: Callable[..., Any]) -> str:
    """``module.function``, where ``__main__`` counts as the script's own module name: so that
    ``python app.py`` runs what ``import app`` enqueued, and the other way round."""
    module, qualname = (getattr(function, own, None) for own in ("__module__", "__qualname__"))
    if not isinstance(module, str) or not isinstance(qualname, str):
        raise _nameless(function)
    if module in MAIN:
        module = main_module_name(module)
    return f"{module}.{qualname.rpartition('<locals>.')[2]}"


def _nameless(function: Any) -> ConfigurationError:
    """What to do with a thing that has no name of its own, or is no function at all."""
    given = f"@task is given {function!r}"
    if callable(function):
        return ConfigurationError(f'{given}, which has no name to be stored by: @task(name="...")')
    return ConfigurationError(
        f'{given}, which cannot be called; put @task on a def. A name goes so: @task(name="...")'
    )


def main_module_name(name: str = "__main__") -> str:
    """The name under which the running script would be imported."""
    main = sys.modules[name]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name not in MAIN:
        return str(spec.name.removesuffix(".__main__"))
    file = getattr(main, "__file__", None)
    return Path(file).stem if file and file != "<stdin>" else "__main__"


def check_importable(name: str, function: Callable[..., Any]) -> None:
    """A ConfigurationError when another process could not find the task's function by its name."""
    if "<lambda>" in function.__qualname__:
        kind = "a lambda"
    elif "<" in function.__qualname__:
        kind = "a function within a function"
    elif inspect.ismethod(function) and not inspect.isclass(function.__self__):
        kind = "a method of an object"
    else:
        return
    raise ConfigurationError(
        f"task {name} is {kind}, which the process that process=True asks for could not find by "
        "its name; define it with def at the top level of a module"
    )

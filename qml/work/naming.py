"""The name by which a store knows a task: ``module.function``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def method_name(function: Callable[..., Any]) -> str:
    """``module.function``, where ``__main__`` counts as the script's own module name: so that
    ``python app.py`` runs what ``import app`` enqueued, and the other way round."""
    module = function.__module__
    if module == "__main__":
        module = main_module_name()
    return f"{module}.{function.__qualname__.rpartition('<locals>.')[2]}"


def main_module_name() -> str:
    """The name under which the running script would be imported."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name.removesuffix(".__main__"))
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"

"""Names that a package imports at their first use, so that importing it costs next to nothing."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def importer(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package (PEP 562). ``homes``: of each name its module, from there;
    a name that is its own home is a module. One that needs Hypothesis says so without it."""

    def getattr_(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(home, package)
        except ModuleNotFoundError as error:
            if error.name != "hypothesis":
                raise
            raise ImportError(
                f"{package}.{name} needs Hypothesis: pip install 'queue-me-later[testing]'",
                name="hypothesis",
            ) from error
        value = module if home == f".{name}" else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return getattr_

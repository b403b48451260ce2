"""Finds the Qml that ``module:attribute`` names, and says what stands in the way of it."""

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ..values.errors import ConfigurationError
from ..work.app import Qml
from .factories import call, is_call, qml_of
from .inside import Inside
from .sources import libraries


def load_app(target: str | Inside) -> tuple[str, Qml]:
    """The app at ``module:attribute``, ``module`` or ``file.py:attribute``, with its full name;
    ``attribute`` may be a web app, or a call that makes one. ConfigurationError names what is
    wrong, where, and the usual cure."""
    if isinstance(target, Inside):
        return target.name, target.app
    place, _, attribute = target.partition(":")
    if attribute and not _is_dotted(attribute) and not is_call(attribute):
        raise _no_name(target)
    module = import_module(_module_name(place))
    if attribute:
        return f"{module.__name__}:{attribute}", _named(module, attribute)
    found = _apps_in(module)
    if not found:
        raise ConfigurationError(
            f"module {module.__name__} ({_file_of(module)}) holds no Qml; make one at its top "
            'level, such as jobs = Qml("sqlite:///jobs.db"), or give another module'
        )
    if len(found) > 1:
        choices = ", ".join(f"{module.__name__}:{name}" for name in found)
        raise ConfigurationError(
            f"module {module.__name__} holds {len(found)} of them; say which: {choices}"
        )
    [(name, app)] = found.items()
    return f"{module.__name__}:{name}", app


def _module_name(place: str) -> str:
    """The name to import, its folder on ``sys.path``."""
    folder = Path.cwd()
    if place.endswith(".py"):
        file = folder / place
        if not file.is_file():
            raise ConfigurationError(f"there is no file {file}")
        if (file.parent / "__init__.py").exists():
            raise ConfigurationError(
                f"{place} belongs to a package; give it by its dotted name, such as pkg.module, "
                "from the folder that holds the package"
            )
        folder, place = file.parent, file.stem
    if not _is_dotted(place):
        raise _no_name(place)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    return place


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _no_name(given: str) -> ConfigurationError:
    return ConfigurationError(
        f"{given!r} is no module's name; give module:attribute, such as myapp:jobs"
    )


def import_module(name: str) -> ModuleType:
    """The module; a ConfigurationError says where its import failed, and why."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"there is no module {error.name} in {Path.cwd()} or on sys.path; start qml in the "
                "folder that holds it, or set PYTHONPATH"
            ) from error
        cure = f"install it for this Python ({sys.executable}), or use the Python that has it"
        raise _failed(name, error, cure) from error
    except SystemExit as error:
        cure = "keep what runs the program under: if __name__ == '__main__'"
        raise _failed(name, error, cure) from error
    except Exception as error:
        raise _failed(name, error, _cure(name, error)) from error


def _cure(name: str, error: Exception) -> str:
    """The usual one."""
    if "partially initialized module" in str(error):
        return (
            "two modules import each other: import in the function that needs it, or move what "
            "both need into a third module"
        )
    if "relative import" in str(error):
        return (
            "it belongs to a package: give its dotted name, such as pkg.module, from the folder "
            "that holds the package"
        )
    return f"see the whole traceback with: {Path(sys.executable).name} -c 'import {name}'"


def _failed(name: str, error: BaseException, cure: str) -> ConfigurationError:
    kind = type(error).__name__
    what = error.msg if isinstance(error, SyntaxError) else str(error)
    return ConfigurationError(
        f"module {name} cannot be imported: {kind}: {what} ({_where(error)}); {cure}"
    )


_QML = str(Path(__file__).parents[1]) + os.sep  # in a checkout it is no installed library


def _where(error: BaseException) -> str:
    """File and line of the cause: of the last step that is no library's."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    steps = [
        step
        for step in traceback.extract_tb(error.__traceback__)
        if not step.filename.startswith("<frozen importlib") and step.filename != __file__
    ]
    own = [step for step in steps if not step.filename.startswith((*libraries(), _QML))]
    if all(step.filename.startswith(_QML) for step in steps):  # or none: nothing of it has run
        return "before its first line"
    last = (own or steps)[-1]
    return f"{last.filename}, line {last.lineno}"


def _named(module: ModuleType, attribute: str) -> Qml:
    found = _made(module, attribute) if is_call(attribute) else _found(module, attribute)
    name = f"{module.__name__}:{attribute}"
    app = qml_of(found, name)
    if app is None:
        kind = type(found).__name__
        called = f"; call it: {name}(), or for a Flask app: flask --app {module.__name__} qml run"
        hint = called if kind == "function" else ""
        raise ConfigurationError(f"{name} is of type {kind}, not a Qml{hint}; {_has(module)}")
    return app


def _made(module: ModuleType, attribute: str) -> object:
    try:
        return call(module, attribute)
    except ConfigurationError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise ConfigurationError(
            f"{module.__name__}:{attribute} fails: {kind}: {error} ({_where(error)}); see the "
            f"whole traceback with: {Path(sys.executable).name} -c 'import {module.__name__} as m; "
            f"m.{attribute}'"
        ) from error


def _found(module: ModuleType, attribute: str) -> object:
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigurationError(
                f"module {module.__name__} ({_file_of(module)}) has no {attribute}; {_has(module)}"
            )
        found = getattr(found, part)
    return found


def _has(module: ModuleType) -> str:
    names = ", ".join(_apps_in(module))
    return f"the Qml there: {names}" if names else "there is no Qml in it"


def _apps_in(module: ModuleType) -> dict[str, Qml]:
    """The apps at the module's top level by name; of several names for one the first."""
    found: dict[str, Qml] = {}
    for name, value in vars(module).items():
        if isinstance(value, Qml) and not any(value is known for known in found.values()):
            found[name] = value
    return found


def _file_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or "no file"

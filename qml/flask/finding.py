"""How a spawned process finds the Flask app of the server that has spawned it."""

import os
import sys
from typing import TYPE_CHECKING

from flask import Flask
from flask.cli import ScriptInfo

from ..values.errors import ConfigurationError

if TYPE_CHECKING:
    from .home import Home

VARIABLE = "QML_FLASK_APP"
"""The environment variable by which a server tells its processes."""

REMEDY = (
    'set QML_APP in the app\'s configuration to what flask --app takes, such as "shop:create_app()"'
)


def tell(home: "Home") -> None:
    """Have processes that are spawned from now on find this app, if there is a name for it."""
    name = home.app.config.get("QML_APP") or home.source or os.environ.get("FLASK_APP")
    name = name or _name_in_module(home.app)
    if name:
        os.environ[VARIABLE] = name


def _name_in_module(app: Flask) -> str | None:
    """``module:name`` of an app that its module holds."""
    module = sys.modules.get(app.import_name)
    names = [name for name, value in vars(module).items() if value is app] if module else []
    return f"{app.import_name}:{names[0]}" if names else None


def load() -> Flask:
    """The app, made in this process. ConfigurationError without a name for it."""
    name = os.environ.get(VARIABLE)
    if not name:
        raise ConfigurationError(f"no Flask app is known in this process; {REMEDY}")
    return ScriptInfo(app_import_path=name).load_app()

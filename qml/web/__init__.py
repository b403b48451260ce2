"""The dashboard: a Flask blueprint that shows the jobs of a store and changes what becomes of them.

``app.register_blueprint(dashboard(jobs), url_prefix="/qml")`` mounts it; ``qml dashboard`` serves
it alone. Needs Flask: ``pip install 'queue-me-later[dashboard]'``.
"""

try:
    import flask as _flask  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the dashboard needs Flask: pip install 'queue-me-later[dashboard]'", name=error.name
    ) from error

from .mounting import dashboard
from .redaction import REDACTED

__all__ = ["REDACTED", "dashboard"]

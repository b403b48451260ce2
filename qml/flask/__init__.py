"""qml for Flask: jobs that run in an app's context, kept where the app's configuration says.

Needs Flask: ``pip install 'queue-me-later[flask]'``. PYTEST_DONT_REWRITE: see qml itself.
"""

try:
    import flask as _flask  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "qml.flask needs Flask: pip install 'queue-me-later[flask]'", name=error.name
    ) from error

from .extension import QmlFlask

__all__ = ["QmlFlask"]

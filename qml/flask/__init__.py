"""qml for Flask: jobs that run in an app's context, kept where the app's configuration says.

PYTEST_DONT_REWRITE: see qml itself.
"""

from .extension import QmlFlask

__all__ = ["QmlFlask"]

"""Figures of an app and its store for Prometheus."""

try:
    from .metrics import Metrics, exposition
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "prometheus_client":
        raise
    raise ModuleNotFoundError(
        "qml.metrics needs prometheus_client: pip install 'queue-me-later[metrics]'",
        name=error.name,
    ) from error

__all__ = ["Metrics", "exposition"]

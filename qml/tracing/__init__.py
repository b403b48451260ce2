"""Traces of an app's jobs by OpenTelemetry."""

try:
    from .tracing import KEY, Tracing
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "opentelemetry":
        raise
    raise ModuleNotFoundError(
        "qml.tracing needs opentelemetry: pip install 'queue-me-later[otel]'", name=error.name
    ) from error

__all__ = ["KEY", "Tracing"]

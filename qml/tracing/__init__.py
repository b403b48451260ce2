"""Traces of an app's jobs by OpenTelemetry."""

from .tracing import KEY, Tracing

__all__ = ["KEY", "Tracing"]

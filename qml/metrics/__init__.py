"""Figures of an app and its store for Prometheus."""

from .metrics import Metrics, exposition

__all__ = ["Metrics", "exposition"]

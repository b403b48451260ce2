"""The version of this qml, declared once."""

__version__ = "0.1.0"

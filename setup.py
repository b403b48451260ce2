"""The build's entry point; everything it says stands in setup.cfg."""

from setuptools import setup

setup()

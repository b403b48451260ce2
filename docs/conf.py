"""How Sphinx builds these pages."""

from qml._version import __version__

project = "qml"
author = "The qml authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"qml {__version__}"

autodoc_member_order = "bysource"
maximum_signature_line_length = 90

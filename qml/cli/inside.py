"""The app that a command line belongs to, as that of ``flask qml`` does: nobody has to name it."""

import argparse
from collections.abc import Callable

import attrs

from ..storage.urls import Config
from ..work.app import Qml


@attrs.frozen
class Inside:
    """``prog``: what the command line is called; ``name``: the app's; ``config``: says where its
    jobs are; ``own_process``: whether the process is the command's, which may begin it anew."""

    prog: str
    name: str
    app: Qml
    config: Callable[[], Config]
    own_process: bool = False

    def put_into(self, arguments: argparse.Namespace) -> None:
        """Be what was not given: the app to run, the store to look at. ConfigurationError when it
        cannot be told where that is."""
        if getattr(arguments, "app", self) is None:
            arguments.app = self
        if getattr(arguments, "url", self) is None:
            arguments.url = self.config()

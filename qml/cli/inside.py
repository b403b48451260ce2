"""The app that a command line belongs to, as that of ``flask qml`` does: nobody has to name it."""

import argparse

import attrs

from ..storage.urls import Config
from ..work.app import Qml


@attrs.frozen
class Inside:
    """``prog``: what the command line is called; ``name``: the app's; ``config``: where its jobs
    are; ``own_process``: whether the process is the command's, which may begin it anew."""

    prog: str
    name: str
    app: Qml
    config: Config
    own_process: bool = False

    def put_into(self, arguments: argparse.Namespace) -> None:
        """Be what was not given: the app to run, the store to look at."""
        if getattr(arguments, "app", self) is None:
            arguments.app = self
        if getattr(arguments, "url", self) is None:
            arguments.url = self.config

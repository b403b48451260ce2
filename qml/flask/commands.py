"""``flask qml``: the commands of ``qml`` for the current app, its tasks and its store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import current_app
from flask.cli import ScriptInfo, with_appcontext

if TYPE_CHECKING:
    from .home import Home


def command(home: "Home") -> click.Command:
    """The command for an app."""

    @click.command(
        "qml",
        help="Run and look at background jobs: flask qml run, flask qml stats, flask qml --help.",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    @with_appcontext
    def qml(context: click.Context, arguments: tuple[str, ...]) -> None:
        from ..cli.entry import main  # which no web server's process needs
        from ..cli.inside import Inside

        info = context.find_object(ScriptInfo)
        if info is not None and home.source is None:
            found = "wsgi" if Path("wsgi.py").is_file() else "app"  # by flask itself
            home.source = info.app_import_path or found
        inside = Inside(
            "flask qml",
            home.source or current_app.import_name,
            home.jobs,
            home.config,
            own_process=_is_flasks_own_process(),
        )
        context.exit(main(list(arguments), inside))

    return qml


def _is_flasks_own_process() -> bool:
    """Whether this is ``flask qml ...`` itself, and not a call from within another program."""
    return Path(sys.argv[0]).stem in {"flask", "__main__"} and "qml" in sys.argv

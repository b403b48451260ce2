"""Starting a command anew in its own place: one process, whose program begins again."""

import atexit
import os
import sys


class Beginning:
    """How this process began: made before anything of the user's is imported. Once asked for, its
    program begins again when it ends, with the same arguments, folder and environment, and the
    same process id, so that whoever watches over the process notices nothing.

    It does so as the last thing of an ordinary end: Python calls ``atexit`` functions in reverse
    order, so those of the app have been called by then. Where nothing can be put into the place of
    a running program (Windows), ``possible`` is false.
    """

    possible = os.name == "posix" and bool(sys.executable)

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._environment = dict(os.environ)
        self._wanted = False
        atexit.register(self._again)

    def ask_for(self) -> None:
        """Begin again at the end."""
        self._wanted = self.possible

    def _again(self) -> None:
        if not self._wanted:
            return
        sys.stdout.flush()
        sys.stderr.flush()
        os.chdir(self._folder)
        # Not sys.argv, which lacks the interpreter's own options, and "-m".
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, self._environment)

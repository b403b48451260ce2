"""Exceptions that are for the program, whatever it does at the moment."""

import threading


def is_for_the_program(error: BaseException) -> bool:
    """Whether it may come from the handler of a signal, which calls ``sys.exit()``, or be Ctrl-C.
    Python raises it in the main thread, wherever that is. Elsewhere it would end but one thread."""
    if isinstance(error, Exception):
        return False
    return threading.current_thread() is threading.main_thread()

"""Exceptions that are for the program, whatever it does at the moment."""

import threading


def ends_a_test(error: BaseException) -> bool:
    """Whether whoever runs tasks in the thread of a test has to let it through, as Ctrl-C and
    ``pytest.fail``. SystemExit is how a task may end, such as a command that it calls."""
    return not isinstance(error, Exception | SystemExit)


def is_for_the_program(error: BaseException) -> bool:
    """Whether it may come from the handler of a signal, which calls ``sys.exit()``, or be Ctrl-C.
    Python raises it in the main thread, wherever that is. Elsewhere it would end but one thread."""
    if isinstance(error, Exception):
        return False
    return threading.current_thread() is threading.main_thread()

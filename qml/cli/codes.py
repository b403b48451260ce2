"""Exit codes: stable, so that scripts and supervisors may rely on them."""

DONE = 0
FAILED = 1
USAGE = 2
UNAVAILABLE = 3
LEFT_OVER = 4
WARNED = 5
BROKEN = 6
RETIRED = 7
INTERRUPTED = 130
NO_READER = 141

MEANING = {
    DONE: "done",
    FAILED: "it failed, was refused, or does not exist; of several: at least one",
    USAGE: "wrong usage or configuration; an app that cannot be imported, too",
    UNAVAILABLE: "the store does not answer, does not exist, or cannot be used",
    LEFT_OVER: "stopped by a signal, and work is left over: start it again to go on",
    WARNED: "qml doctor has warnings, and no error",
    BROKEN: "qml doctor has errors",
    RETIRED: "ended by --max-jobs or --max-memory where it cannot begin again: start it again",
    INTERRUPTED: "interrupted by Ctrl-C",
    NO_READER: "whoever read the output went away, as in: qml jobs list | head -1",
}

"""Breaks of qml, each of one promise, kept as patches; and the tests that must find them.

``python -m tests.mutants`` applies each to a copy of the tree and runs its tests there. A patch::

    Promise: what it breaks, in one sentence.
    Tests: the files that should find it, the fewest that do
    Select: what of them to run, as pytest's -k has it (this line may be missing)

    --- a/qml/...                  a unified diff
    +++ b/qml/...

To make one, change a copy of qml, and put `git diff --no-index` of the two below such lines.
"""

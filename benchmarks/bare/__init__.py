"""The databases without a job library: what one can at best come near.

A loop of the database's own driver that writes the same columns, in as many commits as qml, and
keeps the same promise of order and of one owner per claim. It makes no values of what it reads,
checks nothing that it is given, looks for no unique keys, wakes nobody and runs no task.
"""

"""Asking any storage by the name of an operation, and comparing what two of them answer."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import attrs

from ..storage import batches
from ..values.job import Job
from ..values.notes import NO_NOTES
from .compare import difference, outcome

ENDS = frozenset({"finish", "finish_many", "release"})


def answer(storage: Any, verb: str, *arguments: Any, **keywords: Any) -> Any:
    """What a storage answers: a value, all that an iterator has, or an error as ``Raised``."""

    def asked() -> Any:
        found = _operation(storage, verb)(*arguments, **keywords)
        return list(found) if isinstance(found, Iterator) else found

    return outcome(asked)


def _operation(storage: Any, verb: str) -> Callable[..., Any]:
    """The operation of this name. What concerns a batch is asked of its driver, if the storage
    itself has no such operation."""
    if verb == "expect" and not hasattr(storage, verb):
        return lambda batch, more: batches.expect(storage.driver, batch, more)
    if verb == "progress" and not hasattr(storage, verb):
        return lambda batch: attrs.astuple(batches.progress(storage.driver, batch), recurse=False)
    if verb == "queues.list":
        return lambda: [(one.name, one.paused_at, one.counts) for one in storage.queues.list()]
    operation: Callable[..., Any] = attrgetter(verb)(storage)
    return operation


def differs(verb: str, expected: Any, found: Any) -> str | None:
    """What differs between two answers. What ends a claim knows the notes of the job as it was
    claimed, perhaps not those that were written since."""
    if verb in ENDS:
        expected, found = _unnoted(expected), _unnoted(found)
    if verb == "kept_back" and isinstance(found, list):
        pairs = zip(expected, found, strict=True)
        found = [words if _says(text, words) else text for words, text in pairs]
    return difference(expected, found)


def _says(text: str | None, words: str | None) -> bool:
    """Whether a text says so, and more perhaps."""
    return words is not None and text is not None and all(w in text for w in words.split("; "))


def _unnoted(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_unnoted(one) for one in answer]
    return attrs.evolve(answer, notes=NO_NOTES) if isinstance(answer, Job) else answer

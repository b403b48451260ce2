"""What a simulation finds, told as a test tells it."""

from collections.abc import Iterator
from contextlib import contextmanager

from .store import LawBroken
from .world import World


@contextmanager
def findings(world: World) -> Iterator[None]:
    """A broken law is an AssertionError; it and any other error come with the story so far."""
    try:
        yield
    except LawBroken as broken:
        found = AssertionError(str(broken))
        found.add_note(f"What happened:\n{world.story}")
        raise found from None
    except Exception as error:
        error.add_note(f"What happened:\n{world.story}")
        raise

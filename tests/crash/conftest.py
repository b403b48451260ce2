"""Histories made by hand to begin with."""

import pytest

from tests.crash.story import Story


@pytest.fixture
def story():
    made = Story()
    made.enqueue("j")
    return made


@pytest.fixture
def killed(story):
    """Life 1 dies in the middle of its run; its lease ends at 2."""
    story.claim(1, 1, 1)
    story.start(1.01, 1, 1)
    story.kill(1.5, 1)
    return story

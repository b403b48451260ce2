"""docs/seed.rst shows every example, and no other."""

import re

from tests.house.rules import REPO
from tests.seed import test_examples


def test_the_page_shows_every_example():
    page = (REPO / "docs" / "seed.rst").read_text(encoding="utf-8")
    shown = re.findall(r":pyobject: (\w+)", page)
    there = [name for name in vars(test_examples) if name.startswith("test_")]
    assert shown == there

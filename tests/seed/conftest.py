"""Every example of the seed document runs on each storage that qml brings."""

import pytest

from qml import MemoryStorage, SqliteStorage


@pytest.fixture(params=["memory", "sqlite"])
def storage(request, tmp_path):
    made = MemoryStorage() if request.param == "memory" else SqliteStorage(tmp_path / "jobs.db")
    with made:
        yield made

"""Every example of the seed document runs on each storage that qml brings."""

import pytest

from qml import connect
from tests.storage.stores import KINDS


@pytest.fixture(params=KINDS)
def storage(request, tmp_path):
    with connect(KINDS[request.param](tmp_path)) as made:
        yield made

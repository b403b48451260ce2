"""A durable map goes on after kill -9; longer: ``python -m tests.crash.map_kills --kills 100``."""

import argparse
import os

import pytest

from tests.crash import map_kills, stores


@pytest.mark.parametrize("store", stores.KINDS)
def test_every_effect_and_every_result_once(store, tmp_path):
    options = argparse.Namespace(url=None, store=store)
    with stores.opened(options, tmp_path) as there:
        print(map_kills.run(there.url, tmp_path, 3, int.from_bytes(os.urandom(2), "big")))

"""How long the server remembers a call: longer than anybody tries to hear its answer (law 9)."""

import pytest

from qml.drivers.redis import RedisDriver

from . import redis_store
from .making import row


@pytest.mark.parametrize(("answer", "connect"), [(30.0, 5.0), (1.5, 0.5)])
def test_a_call_is_remembered_for_longer_than_it_is_repeated(tmp_path, answer, connect):
    """Repeated for ``connect_timeout`` seconds after a reply was lost; and each try may wait for
    its answer, and for a connection before it."""
    config = redis_store.config(tmp_path, answer_timeout=answer, connect_timeout=connect)
    driver = RedisDriver(config)
    driver.install()
    try:
        driver.insert([row("a")])
        client = redis_store.raw_client()
        [call] = client.scan_iter(match=f"{{{config.key_prefix}}}:call:*", count=1_000)
        seconds = client.ttl(call)
        client.close()
    finally:
        driver.close()
    assert seconds > 2 * (answer + 2 * connect)
    assert seconds < 3_600  # and has an end (law 13)

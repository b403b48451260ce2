"""Commands as they are sent, beside what redis-py makes of them."""

import pytest
from redis.connection import Encoder, PythonRespSerializer

from qml.drivers.redis.packing import LARGE, Packer

COMMANDS = [
    ("GET", "a"),
    ("EVALSHA", "0" * 40, 1, "{qml}:", "lane", 7, b'{"a": "\xc3\xa9"}', b""),
    ("SET", "é 😀\r\n$3", -5, 0.5, b"\0\xff"),
    ("CLIENT SETNAME", "a b"),
    ("PING",),
    ("SET", b"x" * (LARGE - 1), b"y" * LARGE, "z" * (LARGE + 1), b"", b"y" * LARGE),
]


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_the_bytes_are_those_of_redis_py(command):
    theirs = PythonRespSerializer(6_000, Encoder("utf-8", "strict", False).encode)
    assert b"".join(Packer().pack(*command)) == b"".join(theirs.pack(*command))


def test_a_large_word_is_not_copied():
    large = b"y" * LARGE
    assert any(piece is large for piece in Packer().pack("SET", "a", large))


def test_what_is_no_text_is_refused():
    with pytest.raises(UnicodeEncodeError):
        Packer().pack("GET", "\ud800")

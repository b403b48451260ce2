"""URLs of servers: what cannot be read as meant is refused, and no password is ever shown."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qml import ConfigurationError, PostgresConfig, RedisConfig, connect
from qml.values import urls
from qml.values.urls import HIDDEN, passwords, shown, without_passwords

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=4).filter(
    lambda text: text not in repr(PostgresConfig("postgresql://a:@db.example:5432/jobs?sslmode=1"))
)


def quoted(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("redis://localhost", "redis://localhost"),
        ("redis://:pw@h:6379/0", "redis://:***@h:6379/0"),
        ("redis://user@h", "redis://user@h"),
        ("rediss://u:pw@h/1?ssl_cert_reqs=none", "rediss://u:***@h/1?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock?db=1&password=pw", "unix:///run/redis.sock?db=1&password=***"),
        ("unix:///run/redis.sock?pass%77ord=pw", "unix:///run/redis.sock?pass%77ord=***"),
        ("postgresql:///jobs?host=/run", "postgresql:///jobs?host=/run"),
        ("postgresql://u:p:w@h1:1,h2:2/jobs", "postgresql://u:***@h1:1,h2:2/jobs"),
        ("postgresql://u:@[::1]:5432/jobs", "postgresql://u:***@[::1]:5432/jobs"),
    ],
)
def test_what_is_shown(url, seen):
    assert shown(url) == seen
    config = (PostgresConfig if url.startswith("postgres") else RedisConfig)(url)
    assert f"url={seen}," in repr(config)


@given(SECRETS)
def test_no_password_is_shown(secret):
    for url in (
        f"postgresql://a:{quoted(secret)}@db.example:5432/jobs?sslmode=1",
        f"postgresql://a@db.example/jobs?password={quoted(secret)}",
    ):
        for text in (secret, quoted(secret)):
            assert text not in shown(url)
            assert text not in repr(PostgresConfig(url))
            assert text in passwords(url)
            message = f'connection to "{text}" failed: {text}'
            assert without_passwords(message, url) == message.replace(text, HIDDEN)


@pytest.mark.parametrize(
    "password", ["s@cret", "s/cret", "s#cret", "s?cret", "s?cret=1", "s cret", "s\ncret", "s[cret"]
)
@pytest.mark.parametrize("user", ["ada:", ":", "ada:5"])
def test_a_password_that_would_be_read_as_something_else_is_refused_unseen(user, password):
    for config, scheme in ((PostgresConfig, "postgresql"), (RedisConfig, "redis")):
        with pytest.raises(ConfigurationError, match=f"^{config.__name__} .*url") as caught:
            config(f"{scheme}://{user}{password}@db.example/jobs")
        said = "".join(traceback.format_exception(caught.value, limit=0))
        assert "cret" not in said
        assert "db.example" not in said


@pytest.mark.parametrize("port", ["5432x", "-1", "s3cret"])
def test_a_port_is_a_number(port):
    with pytest.raises(ConfigurationError, match="a port is a number"):
        PostgresConfig(f"postgresql://h:{port}/jobs")


@pytest.mark.parametrize(
    "url", ["", "jobs", "http://ada:secret@h", "postgresql:h", "redis://h", None, b"postgresql://h"]
)
def test_another_scheme_is_refused_unseen(url):
    said = "PostgresConfig database_url does not begin with postgresql:// or postgres://"
    with pytest.raises(ConfigurationError) as caught:
        PostgresConfig(url)
    assert str(caught.value) == said


def test_a_port_may_be_left_out_or_empty():
    for host in ("h", "h:", "h:1", "h1:1,h2", "[::1]", "[::1]:1", ""):
        assert urls.checked(object(), "url", f"redis://{host}/0", ("redis",)).netloc == host


@pytest.mark.parametrize(
    "url", ["postgresql://a:%E4unter2@h/d", "postgresql://h?password=%FCunter2"]
)
@pytest.mark.parametrize("make", [PostgresConfig, connect])
def test_what_is_percent_encoded_in_another_encoding_is_refused_unseen(make, url):
    with pytest.raises(ConfigurationError, match="percent-encoded in it is not UTF-8") as error:
        make(url)
    assert "unter2" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("url", ["sqlite:///%E4.db", "redis://h?key_prefix=%E4", "redis://:%E4@h"])
def test_no_name_is_made_of_what_cannot_be_decoded(url):
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        connect(url)

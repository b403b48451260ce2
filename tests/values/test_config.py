"""Settings of storages: each wrong one is named, with its value and the remedy."""

import re
from pathlib import Path

import attrs
import pytest

from qml import MemoryConfig, PostgresConfig, RedisConfig, Retention, SqliteConfig
from qml.values.errors import ConfigurationError

NEEDED = {
    SqliteConfig: {"path": "a.db"},
    PostgresConfig: {"database_url": "postgresql://h/db"},
    RedisConfig: {"url": "redis://h"},
}
SCHEMA_REMEDY = "give a name of 1 to 63 bytes that does not begin with pg_"
NAN, INF = float("nan"), float("inf")
NOT_POSITIVE = (0, -1, NAN, INF, 1e12, True, "7", None)


def test_defaults(tmp_path):
    assert attrs.asdict(MemoryConfig()) == {"max_jobs": 10_000}
    assert attrs.asdict(SqliteConfig(tmp_path / "a.db")) == {
        "path": tmp_path / "a.db",
        "durability": "full",
        "busy_timeout": 30.0,
        "create": True,
    }
    of_both = {"max_connections": 10, "pool_timeout": 30.0, "connect_timeout": 5.0}
    assert attrs.asdict(PostgresConfig("postgresql://h/db")) == {
        **of_both,
        "database_url": "postgresql://h/db",
        "schema_name": "qml",
        "auto_migrate": True,
        "statement_timeout": 30.0,
        "durability": "full",
    }
    assert attrs.asdict(RedisConfig("redis://h")) == {
        **of_both,
        "url": "redis://h",
        "key_prefix": "qml",
        "answer_timeout": 30.0,
        "create": True,
    }
    week = 7 * 24 * 3600
    assert attrs.asdict(Retention()) == {
        "succeeded": week,
        "deleted": week,
        "failed": 90 * 24 * 3600,
    }


@pytest.mark.parametrize(
    ("cls", "name", "value", "remedy"),
    [
        *[
            (MemoryConfig, "max_jobs", value, "give a whole number, 1 or more")
            for value in (0, -1, True, 1.0, "5", None)
        ],
        *[
            (cls, "max_connections", value, "give a whole number, 1 or more")
            for cls in (PostgresConfig, RedisConfig)
            for value in (0, -1, True, 1.0, "5", None)
        ],
        *[
            (cls, name, value, "give a number above 0")
            for cls, names in {
                PostgresConfig: ("pool_timeout", "connect_timeout", "statement_timeout"),
                RedisConfig: ("pool_timeout", "connect_timeout", "answer_timeout"),
            }.items()
            for name in names
            for value in NOT_POSITIVE
        ],
        *[
            (PostgresConfig, "schema_name", value, SCHEMA_REMEDY)
            for value in ("", "pg_x", "a\0", "ä" * 32, None, 7)
        ],
        *[
            (RedisConfig, "key_prefix", value, "give 1 to 200 characters, no braces")
            for value in ("", "{", "a}", "x" * 201, None, 7)
        ],
        (PostgresConfig, "durability", "none", "give one of full, normal"),
        (PostgresConfig, "auto_migrate", "yes", "give True or False"),
        *[
            (SqliteConfig, "durability", value, "give one of full, normal")
            for value in ("", "off", "FULL", None, ["full"])
        ],
        *[(SqliteConfig, "busy_timeout", value, "give a number above 0") for value in NOT_POSITIVE],
        *[
            (Retention, name, value, "give a number above 0, and below 1e12")
            for name in ("succeeded", "deleted", "failed")
            for value in NOT_POSITIVE
        ],
    ],
)
def test_a_wrong_setting(cls, name, value, remedy):
    needed = NEEDED.get(cls, {})
    with pytest.raises(ConfigurationError) as caught:
        cls(**needed, **{name: value})
    assert str(caught.value) == f"{cls.__name__} {name} is {value!r}; {remedy}"


@pytest.mark.parametrize("wrong", ["", ".", ":memory:", "a\0b", Path()])
def test_a_path_that_is_no_file(wrong):
    said = f"SqliteConfig path is {str(wrong)!r}; give the path of a file, or use memory://"
    with pytest.raises(ConfigurationError, match=f"^{re.escape(said)}$"):
        SqliteConfig(wrong)


def test_the_edges_are_allowed():
    assert MemoryConfig(max_jobs=1).max_jobs == 1
    assert SqliteConfig("a", busy_timeout=0.001, durability="normal").durability == "normal"
    assert Retention(succeeded=1, deleted=0.5, failed=1e11).deleted == 0.5


def test_a_relative_path_is_fixed_when_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = SqliteConfig("jobs.db")
    monkeypatch.chdir("/")
    assert config.path == tmp_path / "jobs.db"
    assert type(config.path) is type(Path())


@pytest.mark.parametrize("config", [MemoryConfig(), SqliteConfig("a.db"), Retention()])
def test_settings_are_frozen_values(config):
    assert attrs.evolve(config) == config
    assert hash(attrs.evolve(config)) == hash(config)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(config, attrs.fields(type(config))[0].name, 5)


def test_retention_has_names_only():
    with pytest.raises(TypeError):
        Retention(5)


@pytest.mark.parametrize(
    ("name", "value"), [("create", "no"), ("create", 0), ("create", None), ("path", None)]
)
def test_the_other_settings_are_named_too(name, value):
    with pytest.raises(ConfigurationError, match=f"SqliteConfig {name} is {value!r}; give "):
        SqliteConfig(**{"path": "a.db", name: value})

"""Settings that Redis renamed go by both names, wherever a name is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi_engine.config import LiveConfig, Settings, load_settings
from kiwi_engine.config.schema import ALIASES, SCHEMA, key_called
from kiwi_engine.errors import ConfigError, ReplyError
from kiwi_engine.keyspace.limits import Limits

OLD, NEW = "hash-max-ziplist-entries", "hash-max-listpack-entries"


def test_the_aliases_are_those_of_redis() -> None:
    assert dict(ALIASES) == {
        "hash-max-ziplist-entries": "hash-max-listpack-entries",
        "hash-max-ziplist-value": "hash-max-listpack-value",
        "zset-max-ziplist-entries": "zset-max-listpack-entries",
        "zset-max-ziplist-value": "zset-max-listpack-value",
        "list-max-ziplist-size": "list-max-listpack-size",
        "lua-time-limit": "busy-reply-threshold",
    }
    assert not ALIASES.keys() & SCHEMA.keys()
    assert all(key_called(old) is SCHEMA[new] for old, new in ALIASES.items())


@pytest.mark.parametrize("old", ALIASES)
def test_both_names_read_and_change_one_setting(old: str) -> None:
    live = LiveConfig(Settings())
    new = ALIASES[old]
    assert {old, new} <= set(live.names())
    assert live.get(old) == live.get(new)
    live.set([(old, "7")])
    assert (live.get(old), live.get(new)) == ("7", "7")
    live.set([(new.upper(), "9")])
    assert (live.get(old), live.get(new)) == ("9", "9")


def test_the_last_of_both_names_counts() -> None:
    live = LiveConfig(Settings())
    live.set([(OLD, "5"), (NEW, "6")])
    assert live.get(OLD) == "6"
    live.set([(NEW, "5"), (OLD, "7")])
    assert live.get(NEW) == "7"


def test_a_refusal_names_what_was_written() -> None:
    live = LiveConfig(Settings())
    with pytest.raises(ReplyError, match=rf"argument '{OLD}'\) - argument couldn't be parsed"):
        live.set([(OLD, "x")])
    with pytest.raises(ReplyError, match=rf"argument '{OLD}'\) - duplicate parameter"):
        live.set([(OLD, "5"), (OLD.upper(), "5")])
    assert live.settings == Settings()


def test_files_environment_and_flags_know_both_names(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_text(f"{OLD} 1\nzset-max-ziplist-value 2\nlist-max-ziplist-size -3\n")
    settings = load_settings(
        str(path),
        {"KIWI_ZSET_MAX_ZIPLIST_ENTRIES": "4"},
        {"hash-max-ziplist-value": "5"},
    )
    assert settings.hash_max_listpack_entries == 1
    assert settings.zset_max_listpack_value == 2
    assert settings.list_max_listpack_size == -3
    assert settings.zset_max_listpack_entries == 4
    assert settings.hash_max_listpack_value == 5


def test_a_problem_in_a_file_names_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_text(f"{OLD} many\n")
    with pytest.raises(ConfigError, match=OLD):
        load_settings(str(path))


def test_every_limit_of_the_keyspace_is_a_setting_that_may_change() -> None:
    """They have the names of the settings, by which the storage process copies them."""
    defaults = Limits()
    for name in Limits.__struct_fields__:
        key = SCHEMA[name.replace("_", "-")]
        assert key.row.runtime, name
        assert getattr(Settings(), name) == getattr(defaults, name), name

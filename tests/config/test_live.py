"""CONFIG GET and CONFIG SET: all or nothing, and Redis' words for what is refused."""

from collections.abc import Collection

import pytest

from kiwi_engine.config import LiveConfig, Settings
from kiwi_engine.config.schema import SCHEMA
from kiwi_engine.errors import ReplyError

FAILED = "ERR CONFIG SET failed (possibly related to argument '{}') - {}"


def test_get_shows_plain_numbers_and_words() -> None:
    live = LiveConfig(Settings(memory=2 * 1024**2, bind=("::1", "127.0.0.1"), timeout=7))
    assert live.get("memory") == "2097152"
    assert live.get("bind") == "::1 127.0.0.1"
    assert live.get("timeout") == "7"
    assert live.get("requirepass") == ""
    assert live.get("appendonly") == "yes"


def test_every_name_can_be_read() -> None:
    live = LiveConfig(Settings())
    assert set(SCHEMA) < set(live.names())
    assert live.names() == sorted(live.names())
    assert all(isinstance(live.get(name), str) for name in live.names())
    with pytest.raises(KeyError):
        live.get("nosuch")


def test_set_changes_all_and_tells_listeners() -> None:
    old = Settings()
    live = LiveConfig(old)
    heard: list[tuple[Settings, Settings]] = []
    live.subscribe(lambda before, after: heard.append((before, after)))
    new = live.set([("MaxClients", "5"), ("value-threshold", "1kb")])
    assert live.settings is new
    assert (new.maxclients, new.value_threshold, old.maxclients) == (5, 1024, 10_000)
    assert heard == [(old, new)]


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        (
            [("maxclients", "5"), ("nosuch", "1")],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
        ),
        ([("databases", "1")], FAILED.format("databases", "can't set immutable config")),
        ([("save", "")], FAILED.format("save", "can't set immutable config")),
        ([("hz", "5"), ("hz", "6")], FAILED.format("hz", "duplicate parameter")),
        (
            [("timeout", "5"), ("Timeout", "abc")],
            FAILED.format("timeout", "duplicate parameter"),
        ),
        (
            [("hz", "5"), ("timeout", "abc")],
            FAILED.format("timeout", "argument couldn't be parsed into an integer"),
        ),
        (
            [("timeout", "-1")],
            FAILED.format("timeout", "argument must be between 0 and 2147483647 inclusive"),
        ),
        (
            [("appendfsync", "x")],
            FAILED.format(
                "appendfsync",
                "argument(s) must be one of the following: everysec, always, no",
            ),
        ),
        (
            [("proto-max-bulk-len", "x")],
            FAILED.format("proto-max-bulk-len", "argument must be a memory value"),
        ),
    ],
)
def test_a_refused_set_changes_nothing(pairs: list[tuple[str, str]], text: str) -> None:
    live = LiveConfig(Settings())
    heard: list[Settings] = []
    live.subscribe(lambda _, after: heard.append(after))
    with pytest.raises(ReplyError) as caught:
        live.set(pairs)
    assert caught.value.text == text
    assert live.settings == Settings()
    assert heard == []


def test_what_cannot_be_applied_is_not_taken_over() -> None:
    live = LiveConfig(Settings())
    asked: list[tuple[int, list[str]]] = []
    answers: list[tuple[str, str] | None] = [("port", "taken"), None]

    def applier(new: Settings, names: Collection[str]) -> tuple[str, str] | None:
        asked.append((new.port, list(names)))
        return answers.pop(0)

    live.apply_with(applier)
    with pytest.raises(ReplyError) as caught:
        live.set([("hz", "5"), ("PORT", "6")])
    assert caught.value.text == FAILED.format("port", "taken")
    assert live.settings == Settings()
    assert live.set([("port", "7")]).port == live.settings.port == 7
    assert asked == [(6, ["hz", "port"]), (7, ["port"])]


def test_what_get_shows_set_takes() -> None:
    live = LiveConfig(Settings())
    pairs = [(name, live.get(name)) for name, key in SCHEMA.items() if key.row.runtime]
    assert live.set(pairs) == Settings()

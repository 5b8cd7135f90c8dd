"""The setting `client-output-buffer-limit`: what it takes, refuses and keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi_engine.config import LiveConfig, load_settings
from kiwi_engine.config.output_limits import OutputLimit, OutputLimits
from kiwi_engine.errors import ConfigError, ReplyError

NAME = "client-output-buffer-limit"
DEFAULT = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
ARITY = "Wrong number of arguments in buffer limit configuration."
CLASS = "Invalid client class specified in buffer limit configuration."
NUMBERS = "Error in hard, soft or soft_seconds setting in buffer limit configuration."


def live() -> LiveConfig:
    return LiveConfig(load_settings(flags={"dir": "unused"}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("normal 1 2 3", "normal 1 2 3"),
        ("NORMAL 1g 1kb 0", "normal 1000000000 1024 0"),
        ("normal 1b 1B 1", "normal 1 1 1"),
        ("normal kb 2 +1", "normal 0 2 1"),
        ("normal 1 2 ", "normal 1 2 0"),
        ("normal 18446744073709551615 1 1", "normal 18446744073709551615 1 1"),
        ("replica 1 2 3 slave 4 5 6", "slave 4 5 6"),
        ("pubsub 32k 1m 9 normal 5 5 5", "pubsub 32000 1000000 9"),
    ],
)
def test_what_it_takes(text: str, shown: str) -> None:
    config = live()
    config.set([(NAME, text)])
    assert shown in config.get(NAME)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("foo", ARITY),
        ("normal 1  1   1", ARITY),
        ("normal 0 0 0 pubsub", ARITY),
        ("foo 0 0 0", CLASS),
        ("master 0 0 0", CLASS),
        ("normal -1 0 0", NUMBERS),
        ("normal 1tb 1 1", NUMBERS),
        ("normal 1.5k 1 1", NUMBERS),
        ("normal 1 2 x", NUMBERS),
        ("normal 1 2 -1", NUMBERS),
        ("normal 1 2 0x10", NUMBERS),
        ("pubsub 1 1 1 normal 1 2 99999999999", NUMBERS),
        ("normal 18446744073709551616 1 1", NUMBERS),
    ],
)
def test_what_it_refuses_changes_nothing(text: str, problem: str) -> None:
    config = live()
    with pytest.raises(ReplyError) as caught:
        config.set([(NAME, text)])
    assert caught.value.text == (
        f"ERR CONFIG SET failed (possibly related to argument '{NAME}') - {problem}"
    )
    assert config.get(NAME) == DEFAULT


def test_what_is_not_named_stays() -> None:
    config = live()
    assert config.get(NAME) == DEFAULT
    config.set([(NAME, "pubsub 1 2 3")])
    config.set([(NAME, "normal 4 5 6")])
    config.set([(NAME, "")])
    assert config.get(NAME) == "normal 4 5 6 slave 268435456 67108864 60 pubsub 1 2 3"


def test_a_file_may_spread_it_over_lines(tmp_path: Path) -> None:
    file = tmp_path / "kiwi.conf"
    file.write_text(
        "client-output-buffer-limit normal 1kb 0 0\nclient-output-buffer-limit pubsub 2kb 1kb 5\n"
    )
    limits = load_settings(str(file), flags={"dir": "unused"}).client_output_buffer_limit
    assert limits == OutputLimits(normal=OutputLimit(1024), pubsub=OutputLimit(2048, 1024, 5))
    file.write_text("client-output-buffer-limit\n")
    with pytest.raises(ConfigError, match="Wrong number of arguments"):
        load_settings(str(file), flags={"dir": "unused"})


def test_what_is_shown_can_be_read() -> None:
    config = live()
    config.set([(NAME, "normal 1 2 3 replica 4 5 6 pubsub 7 8 9")])
    again = load_settings(flags={"dir": "unused", NAME: config.get(NAME)})
    assert again.client_output_buffer_limit == config.settings.client_output_buffer_limit


def test_the_smallest_limit() -> None:
    assert OutputLimits().smallest(64_000) == 64_000
    assert OutputLimits(normal=OutputLimit(0, 500, 1)).smallest(64_000) == 500
    assert OutputLimits(pubsub=OutputLimit(10, 20, 1)).smallest(64_000) == 10

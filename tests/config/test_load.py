"""The three sources together: who wins, and that every problem is told at once."""

import os
from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.config import Settings, load_settings
from kiwi_engine.errors import ConfigError


def problems_of(**sources: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(**sources)
    return caught.value.problems


def test_nothing_given_makes_the_defaults() -> None:
    settings = load_settings()
    assert settings.dir == os.path.abspath("kiwi-data")
    assert settings == Settings(dir=settings.dir)
    assert (settings.port, settings.bind, settings.appendfsync) == (7379, ("127.0.0.1",), "always")


def test_later_sources_win(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_text("port 1\nport 2\nmemory 2mb\nvalue-threshold 1kb\n")
    settings = load_settings(
        str(path), {"KIWI_PORT": "3", "KIWI_MEMORY": "3mb", "HOME": "/"}, {"port": "4"}
    )
    assert (settings.port, settings.memory, settings.value_threshold) == (4, 3 * 1024**2, 1024)


def test_all_problems_of_all_sources_at_once(tmp_path: Path) -> None:
    path = tmp_path / "kiwi.conf"
    path.write_text('prot 1\nport x\nport 1 2\nmaxmemory 1gb\ndir "\n')
    found = problems_of(
        file=str(path),
        environment={"KIWI_VALUE_TRESHOLD": "1", "KIWI_PORT": "", "KIWI_FAILPOINT": "drain:1"},
        flags={"appendfsync": "never"},
        unknown_flags=["--databses", "4", "--memry=5", "stray", "--zzzz"],
    )
    assert found == [
        f"{path}:5: unbalanced quotes",
        (
            "environment KIWI_VALUE_TRESHOLD: unknown key 'value-treshold'; "
            "did you mean 'value-threshold'?"
        ),
        f"{path}:1: unknown key 'prot'; did you mean 'port'?",
        f"{path}:2: port 'x': argument couldn't be parsed into an integer",
        f"{path}:3: port '1 2': wrong number of arguments",
        (
            f"{path}:4: unknown key 'maxmemory': data may exceed memory; "
            "`memory` is the budget for caches"
        ),
        "environment KIWI_PORT: port: argument couldn't be parsed into an integer",
        (
            "command line: appendfsync 'never': argument(s) must be one of the following: "
            "everysec, always, no"
        ),
        "command line: unknown key 'databses'; did you mean 'databases'?",
        "command line: unknown key 'memry'; did you mean 'memory'?",
        "command line: unexpected argument 'stray'",
        "command line: unknown key 'zzzz'",
    ]


def test_a_missing_file_is_a_problem() -> None:
    assert problems_of(file="/nonexistent/kiwi.conf") == [
        "/nonexistent/kiwi.conf: cannot read /nonexistent/kiwi.conf: No such file or directory"
    ]


def test_a_password_is_never_shown() -> None:
    for name in ("requirepass", "tls-key-file-pass"):
        (problem,) = problems_of(flags={name: "sec\0ret"})
        assert problem == f"command line: {name}: argument must not contain a zero byte"


def test_settings_that_contradict_each_other() -> None:
    several = {"network-threads": "3"}
    assert load_settings(flags=several).network_threads == 3
    assert load_settings(flags={"runtime-mode": "single"}).network_threads == 1
    assert problems_of(flags={**several, "runtime-mode": "single", "port": "x"}) == [
        "command line: port 'x': argument couldn't be parsed into an integer",
        (
            "network-threads 3: several network processes need runtime-mode dual, "
            "single is one process"
        ),
    ]


def test_several_network_processes_need_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create")
    assert problems_of(flags={"network-threads": "2"}) == [
        "network-threads 2: several network processes need Linux"
    ]
    assert load_settings().network_threads == 1


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        load_settings().port = 1  # type: ignore[misc]  # it cannot be set

"""Libraries of functions outlive a salvage, from a damaged index or without one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.commands.executor import Executor
from kiwi_engine.engine.engine import Engine
from kiwi_engine.keyspace.keyspace import Keyspace
from tests.cli.data_directory import VALUE_BYTES, commit, flip, open_engine

NOW_MS: Final = 1_800_000_000_000
SHORT: Final = b"#!lua name=short\nredis.register_function('f', function() return 'short' end)"
# The code goes to the value log.
LONG: Final = (
    SHORT.replace(b"short", b"long").replace(b"'f'", b"'g'") + b"\n-- " + b"x" * VALUE_BYTES
)


def run(engine: Engine, *words: bytes) -> bytes:
    executor = Executor(Keyspace(engine.store))
    replies: list[bytes] = []
    commit(engine, lambda: replies.extend(executor.execute(0, False, [list(words)], NOW_MS)))
    return replies[0]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    engine = open_engine(tmp_path / "made")
    assert run(engine, b"FUNCTION", b"LOAD", SHORT) == b"$5\r\nshort\r\n"
    assert run(engine, b"FUNCTION", b"LOAD", LONG) == b"$4\r\nlong\r\n"
    engine.close()
    return tmp_path / "made"


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_functions_are_salvaged(
    directory: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if damage == "gone":
        shutil.rmtree(directory / "index")
    else:
        (table,) = (directory / "index").glob("*.sst")
        flip(table, table.stat().st_size // 3)
    target = tmp_path / "salvaged"
    assert main(["recover", str(directory), "--salvage", str(target)]) == 0, capsys.readouterr()
    engine = open_engine(target)
    assert run(engine, b"FCALL", b"f", b"0") == b"$5\r\nshort\r\n"
    assert run(engine, b"FCALL", b"g", b"0") == b"$4\r\nlong\r\n"
    engine.close()

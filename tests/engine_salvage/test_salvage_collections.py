"""A damaged index costs a collection some elements, and nothing is wrong about the others."""

from __future__ import annotations

import json
import random
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.commands.executor import Executor
from kiwi_engine.engine.engine import Engine
from kiwi_engine.keyspace.keyspace import Keyspace
from tests.cli.data_directory import commit, flip, open_engine
from tests.cli.test_recover import records
from tests.support.replies import Aggregate, parse

NOW_MS = 1_800_000_000_000
SIZE = 300
FLIPS = 12
SEED = 3
COUNTS = {"set": "scard", "hash": "hlen", "zset": "zcard", "list": "llen", "stream": "xlen"}
WALKS = {
    "set": "smembers set",
    "hash": "hkeys hash",
    "zset": "zrange zset 0 -1",
    "list": "lrange list 0 -1",
    "stream": "xrange stream - +",
}

Run = Callable[[str], bytes]


def runner(engine: Engine) -> Run:
    keyspace = Keyspace(engine.store)
    keyspace.limits.packed_max_entries = 2
    executor = Executor(keyspace)

    def run(line: str) -> bytes:
        replies: list[bytes] = []
        words = [word.encode() for word in shlex.split(line)]
        commit(engine, lambda: replies.extend(executor.execute(0, False, [words], NOW_MS)))
        return replies[0]

    return run


def fill(path: Path) -> None:
    """Five collections, and enough other records for the log to have forgotten about them."""
    engine = open_engine(path)
    run = runner(engine)
    for number in range(SIZE):
        name = f"element:{number}:{'x' * (number % 50)}"
        run(f"sadd set {name}")
        run(f"hset hash {name} {number}")
        run(f"zadd zset {number % 97} {name}")
        run(f"rpush list {name}")
        run(f"xadd stream {number + 1}-1 name {name}")
    engine.close()
    engine = open_engine(path)
    run = runner(engine)
    for number in range(400):
        run(f"set filler:{number % 20} {'y' * 500}")
    engine.close()
    assert records(path)[0].lsn > 5 * SIZE, "the log does not bring them back"


def elements(reply: bytes) -> list[Any]:
    parsed = parse(reply)
    assert isinstance(parsed, Aggregate)
    return list(parsed.elements)


def check(path: Path, report: dict[str, Any]) -> None:
    """What a user sees: counts that agree with contents, values that were once written."""
    mended = {one["meaning"].rsplit('"', 2)[1]: one["found"] for one in report["mended"]}
    engine = open_engine(path)
    run = runner(engine)
    for key, count in COUNTS.items():
        number = int(run(f"{count} {key}")[1:])
        found = elements(run(WALKS[key]))
        assert len(found) == number
        if number:
            assert number == mended.get(key, SIZE)
    for rank, member in enumerate(elements(run("zrange zset 0 -1"))):
        name = member.split(b"\r\n")[1].decode()
        assert run(f"zrank zset {name}") == b":%d\r\n" % rank
        score = int(name.split(":")[1]) % 97
        assert run(f"zscore zset {name}") == b"$%d\r\n%d\r\n" % (len(str(score)), score)
    run("sadd another a b c")
    assert int(run("scard another")[1:]) == 3
    engine.close()


def test_collections_are_consistent_after_any_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, target = tmp_path / "made", tmp_path / "target"
    fill(made)
    chance = random.Random(SEED)
    tables = sorted((made / "index").glob("*.sst"))
    mended = 0
    for _ in range(FLIPS):
        table = chance.choice(tables)
        offset = chance.randrange(table.stat().st_size)
        flip(table, offset)
        code = main(["recover", str(made), "--salvage", str(target)])
        if code != 6:
            report = json.loads((target / "SALVAGE.json").read_text())
            mended += report["mended_count"]
            check(target, report)
            shutil.rmtree(target)
        flip(table, offset)
    assert mended > FLIPS // 5, "the damage hardly ever met an element"
    capsys.readouterr()

"""Clients that wait for each other: the same as with a real server, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.conftest import QUICK_START
from tests.differential.interleaved import CLIENTS, Step, compare, parse
from tests.support.servers import ServerProcess, kiwi

SCRIPTS: Final = Path(__file__).parent / "sequences_interleaved.txt"
# What the clients of a random script do; {0} and {1} are keys, {2} is a number.
WAITING: Final = (
    "blpop {0} {1} 0", "brpop {0} 0", "blmove {0} {1} left right 0", "brpoplpush {0} {1} 0",
    "blmpop 0 2 {0} {1} left count 2", "bzpopmin {0} {1} 0", "bzpopmax {0} 0",
    "bzmpop 0 2 {0} {1} max count 2", "xread block 0 streams {0} $",
    "xread block 0 streams {0} {1} 0 0", "xreadgroup group g c{2} block 0 streams {0} >",
)  # fmt: skip
WAKING: Final = (
    "rpush {0} {2}", "lpush {0} {2} y z", "zadd {0} {2} m{2} 3 n", "xadd {0} * f {2}",
    "xgroup create {0} g $ mkstream", "xgroup destroy {0} g", "del {0}", "set {0} v", "lpop {0}",
    "rename {0} {1}", "copy {0} {1} replace", "lmove {0} {1} left left", "multi", "exec",
    "rpoplpush {0} {1}", "zincrby {0} {2} m", "lrem {0} 0 y", "flushall", "swapdb 0 1",
    "eval \"redis.pcall('rpush', KEYS[1], 'a', 'b'); redis.pcall('lpop', KEYS[1])\" 1 {0}",
)  # fmt: skip


@pytest.fixture(scope="module")
def kiwi_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with kiwi(tmp_path_factory.mktemp("interleaved") / "data", QUICK_START) as process:
        yield process


@pytest.mark.parametrize("line", SCRIPTS.read_text().splitlines())
def test_a_script_goes_as_with_valkey(
    line: str, valkey_process: ServerProcess, kiwi_process: ServerProcess
) -> None:
    for resp3 in (False, True):
        compare(valkey_process.port, kiwi_process.port, parse(line), resp3=resp3)


@pytest.mark.parametrize("seed", range(8))
def test_random_scripts_go_as_with_valkey(
    seed: int, valkey_process: ServerProcess, kiwi_process: ServerProcess
) -> None:
    steps = random_steps(Random(seed), 60)
    compare(valkey_process.port, kiwi_process.port, steps, resp3=bool(seed % 2))


def random_steps(random: Random, count: int) -> list[Step]:
    steps: list[Step] = []
    queueing: set[int] = set()
    for number in range(count):
        client = random.randrange(CLIENTS)
        template = random.choice(WAITING if random.random() < 0.45 else WAKING)
        if template == "multi" and client in queueing:
            # The two have different errors for it.
            template = "exec"
        if template in ("multi", "exec"):
            (queueing.add if template == "multi" else queueing.discard)(client)
        keys = random.sample(("a", "b", "c"), 2)
        # Streams get an ID from the script, as the clocks of the two differ.
        text = template.replace("*", f"{number + 1}-1").format(*keys, number)
        steps += parse(f"{client}> {text}")
    return steps

"""Random transactions are answered as redis-server answers them."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.conftest import QUICK_START
from tests.differential.transactions import random_script, stages
from tests.support.servers import ServerProcess, kiwi

# More in a long run; KIWI_DIFFERENTIAL_SEED begins elsewhere.
SCRIPTS: Final = int(os.environ.get("KIWI_DIFFERENTIAL_SEQUENCES", "240"))
SEED: Final = int(os.environ.get("KIWI_DIFFERENTIAL_SEED", "0"))


@pytest.mark.parametrize("mode", ["dual", "single"])
def test_random_transactions_go_as_with_redis(
    mode: str, redis_process: ServerProcess, tmp_path: Path
) -> None:
    settings = {**QUICK_START, "runtime-mode": mode, "appendfsync": "no"}
    # The two modes share what differs least: the commands and the gate in front of them.
    seeds = range(SEED, SEED + (SCRIPTS if mode == "dual" else SCRIPTS // 4))
    with kiwi(tmp_path / "data", settings) as ours, stages(redis_process.port, ours.port) as both:
        for seed in seeds:
            try:
                both.compare(random_script(Random(seed), resp3=bool(seed % 2)))
            except AssertionError as error:
                raise AssertionError(f"KIWI_DIFFERENTIAL_SEED={seed}\n{error}") from error

"""The knobs of the engine, made of the configuration."""

from __future__ import annotations

import msgspec
import pytest

from kiwi_engine.config.settings import Settings
from kiwi_engine.engine.from_settings import engine_settings

MB = 1024 * 1024


@pytest.mark.parametrize("memory", [2 * MB, 128 * MB, 512 * MB, 64 * 1024 * MB])
def test_what_takes_memory_takes_no_more_than_the_budget_together(memory: int) -> None:
    made = engine_settings(msgspec.structs.replace(Settings(), memory=memory))
    index = made.index
    memtables = index.write_buffer_bytes * index.write_buffer_count_max
    shares = (index.block_cache_bytes, memtables, made.clean_cache_bytes, made.pending_bytes_max)
    assert sum(shares) <= memory
    assert all(shares)


def test_a_smaller_memtable_may_be_asked_for() -> None:
    settings = msgspec.structs.replace(Settings(), rocksdb_write_buffer_size=MB)
    assert engine_settings(settings).index.write_buffer_bytes == MB

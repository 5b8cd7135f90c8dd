"""Each byte of a small directory is flipped: the right values, or an error; never a wrong value."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.engine.restore.restore import RestoreOrder
from kiwi_engine.errors import CorruptionError, LayoutError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.testing.memory_index import MemoryIndex
from tests.engine.backup_world import BackupWorld, restore
from tests.engine.model import KEYS, History, Life, tiny_settings
from tests.engine.stepped import tiny_steps

REQUESTS = 14


def written_life(drained: bool) -> Life:
    """Killed after some requests, each a record of its own, over several segments of both logs."""
    random = Random(4)
    settings = msgspec.structs.replace(
        tiny_settings(random),
        sync_mode="always",
        batch=BatchLimits(1, 1 << 20, 0),
        drain_entries_max=5 if drained else 1 << 30,
        drain_bytes_max=1 << 30,
        wal_retained_bytes_max=1 << 30,
        wal_segment_bytes=200,
        value_segment_bytes=150,
    )
    life = Life(CrashFs(), MemoryIndex(), settings, History())
    for number in range(REQUESTS):
        size = random.choice([3, 12, 16, 40])
        life.request([("put", KEYS[number % 5], random.randbytes(size))])
        life.pipeline.wait_idle()
        life.engine.maintain()
        life.jobs.run_one()
    assert life.history.acknowledged == REQUESTS
    return life


def judge(life: Life, path: str, at: int) -> str:
    """Open a copy with the byte at `at` flipped; what came of it."""
    fs = life.fs.restart()
    content = bytearray(fs.files()[path])
    content[at] ^= 0xFF
    fs.overwrite(path, bytes(content))
    try:
        opened = Life(fs, life.index.crash(life.index.unflushed_batches), life.settings, History())
    except CorruptionError:
        return "refused"
    found = opened.current
    # The very last record has no witness that it was synced (docs/recovery.md).
    assert found >= REQUESTS - 1, f"{found} requests are left"
    state, result = life.history.states[found], "right"
    for key in KEYS:
        try:
            assert opened.engine.store.get(key) == state.get(key)
        except CorruptionError:
            result = "reported"
    return result if found == REQUESTS else "torn"


@pytest.mark.parametrize(("drained", "every"), [(False, 3), (True, 1)])
def test_no_flipped_byte_gives_a_wrong_value(drained: bool, every: int) -> None:
    seen: set[str] = set()
    with tiny_steps():
        life = written_life(drained)
        for path, content in life.fs.files().items():
            for at in range(0, len(content), every):
                try:
                    seen.add(judge(life, path, at))
                except BaseException as failure:
                    failure.add_note(f"{path}, byte {at}")
                    raise
    assert seen == {"refused", "right", "reported", "torn"}


def test_every_flipped_byte_of_a_backup_is_refused() -> None:
    with tiny_steps():
        made = BackupWorld(8, tiny_settings(Random(8)))
        made.live(80)
        made.back_up()
        files = {p: c for p, c in made.fs.files().items() if p.startswith("/backup/B")}
        files |= {p: c for p, c in made.fs.files().items() if p.startswith("/backup/files/")}
        assert len(files) >= 4, "the manifest, the index, both logs"
        for path, content in files.items():
            for at in range(len(content)):
                damaged = bytearray(content)
                damaged[at] ^= 0xFF
                made.fs.overwrite(path, bytes(damaged))
                with pytest.raises((CorruptionError, LayoutError)):
                    order = RestoreOrder(source="/backup", target="/restored")
                    restore(made.fs, order, made.settings)
                assert not made.fs.exists("/restored"), (path, at)
            made.fs.overwrite(path, content)

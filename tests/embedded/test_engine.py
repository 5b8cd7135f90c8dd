"""What `kiwi_engine.open` promises, call by call."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kiwi_engine
from kiwi_engine.config.schema import SCHEMA
from kiwi_engine.config.settings import Settings
from kiwi_engine.embedded.keys import KEY_BYTES_MAX, VALUE_BYTES_MAX
from kiwi_engine.embedded.options import OPTIONS, Options, settings_from
from kiwi_engine.engine.from_settings import engine_settings
from kiwi_engine.server.storage.runtime import StorageRuntime
from tests.commit.fakes import wait_until
from tests.embedded.options import TINY


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[kiwi_engine.Engine]:
    with kiwi_engine.open(tmp_path / "data", **TINY) as opened:
        yield opened


# ---- keys and values


def test_any_bytes_are_keys_and_values(engine: kiwi_engine.Engine) -> None:
    rows = [(b"", b""), (b"\x00", b"x"), (b"\xff" * 300, bytes(range(256))), (b"\xff" * 301, b"")]
    for key, value in rows:
        engine.put(key, value)
    assert list(engine.scan()) == rows
    engine.flush()
    assert list(engine.scan()) == rows
    assert [engine.get(key) for key, _ in rows] == [value for _, value in rows]
    assert b"" in engine and b"\x01" not in engine


def test_buffers_are_copied(engine: kiwi_engine.Engine) -> None:
    key, value = bytearray(b"key"), bytearray(b"value" * 100)
    engine.put(key, memoryview(value)[::2])
    expected = bytes(value[::2])
    key[:], value[:] = b"xxx", b"x" * 500
    assert engine.get(memoryview(b"key")) == expected


@pytest.mark.parametrize("wrong", ["text", 1, None, [b"x"]])
def test_only_bytes_are_accepted(engine: kiwi_engine.Engine, wrong: object) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: engine.put(wrong, b""),  # type: ignore[arg-type]
        lambda: engine.put(b"", wrong),  # type: ignore[arg-type]
        lambda: engine.get(wrong),  # type: ignore[arg-type]
        lambda: engine.delete(wrong),  # type: ignore[arg-type]
        lambda: kiwi_engine.WriteBatch().put(b"", wrong),  # type: ignore[arg-type]
    )
    for call in calls:
        with pytest.raises(TypeError, match="must be bytes-like"):
            call()
    assert engine.count() == 0


def test_too_long(engine: kiwi_engine.Engine) -> None:
    engine.put(b"k" * KEY_BYTES_MAX, b"")
    with pytest.raises(ValueError, match="a key of"):
        engine.put(b"k" * (KEY_BYTES_MAX + 1), b"")
    batch = kiwi_engine.WriteBatch()
    batch.size = VALUE_BYTES_MAX + 1
    batch.put(b"x", b"")
    with pytest.raises(ValueError, match="a batch of"):
        engine.write(batch)
    assert engine.count() == 1


def test_ranges(engine: kiwi_engine.Engine) -> None:
    for key in (b"a", b"ab", b"b", b"\xfe", b"\xff", b"\xff\xff", b"\xff\xff\x00"):
        engine.put(key, key)

    def keys(*bounds: bytes | None, prefix: bytes | None = None) -> list[bytes]:
        forward = list(engine.keys(*bounds, prefix=prefix))
        assert list(engine.keys(*bounds, prefix=prefix, reverse=True)) == forward[::-1]
        return forward

    assert keys(b"a", b"b") == [b"a", b"ab"]
    assert keys(None, b"ab") == [b"a"]
    assert keys(b"\xff") == [b"\xff", b"\xff\xff", b"\xff\xff\x00"]
    assert keys(b"b", b"a") == []
    assert keys(prefix=b"a") == [b"a", b"ab"]
    assert keys(prefix=b"\xff\xff") == [b"\xff\xff", b"\xff\xff\x00"]
    assert keys(prefix=b"") == keys()
    with pytest.raises(ValueError, match="either a prefix or bounds"):
        engine.scan(b"a", prefix=b"a")
    engine.delete_range(prefix=b"\xff")
    assert keys(b"b") == [b"b", b"\xfe"]


def test_a_batch_is_made_in_order_and_may_be_reused(engine: kiwi_engine.Engine) -> None:
    batch = kiwi_engine.WriteBatch()
    assert not batch
    engine.write(batch)
    batch.put(b"a", b"1")
    batch.delete_range(b"a", b"c")
    batch.put(b"b", b"2")
    batch.delete(b"b")
    batch.put(b"c", b"3")
    assert len(batch) == 3
    engine.put(b"aa", b"0")
    engine.write(batch)
    assert list(engine.scan()) == [(b"c", b"3")]
    engine.delete(b"c")
    engine.write(batch)
    assert engine.get(b"c") == b"3"
    batch.clear()
    assert (len(batch), batch.size) == (0, 0)


# ---- opening


def test_all_problems_of_the_options_at_once(tmp_path: Path) -> None:
    wrong: dict[str, Any] = {
        "memroy": "1GB",
        "port": 7379,
        "appendfsync": "sometimes",
        "memory": True,
        "disk_reserve": -1,
    }
    with pytest.raises(kiwi_engine.ConfigError) as caught:
        kiwi_engine.open(tmp_path, **wrong)
    assert caught.value.problems == [
        "unknown option memroy; did you mean memory?",
        "port concerns servers only",
        "appendfsync 'sometimes': argument(s) must be one of the following: everysec, always, no",
        "memory True: must be a number or a text",
        "disk_reserve -1: argument must be a memory value",
    ]
    assert list(tmp_path.iterdir()) == []


def test_sizes_are_numbers_or_texts() -> None:
    settings = settings_from({"memory": "64MB", "value_threshold": 100, "drain_interval": "2s"})
    assert (settings.memory, settings.value_threshold, settings.drain_interval) == (
        64 * 1024**2, 100, 2000,
    )  # fmt: skip


def test_every_option_is_read() -> None:
    """An option that the engine does not look at would be a promise without meaning."""
    read = set()

    class Recorder:
        def __getattr__(self, name: str) -> object:
            read.add(name)
            return getattr(Settings(), name)

    engine_settings(Recorder())  # type: ignore[arg-type]
    assert set(OPTIONS) == read | {"backup_rate"}  # read by `upkeep.backup`
    assert list(Options.__annotations__) == list(OPTIONS)
    assert all(key.field == field for field, key in OPTIONS.items())
    assert set(OPTIONS) < {key.field for key in SCHEMA.values()}


def test_run_time_options(engine: kiwi_engine.Engine) -> None:
    engine.configure(appendfsync="no", value_threshold="1kb")
    assert engine._driver.engine.pipeline.sync_mode == "no"
    wrong: dict[str, Any] = {"wal_segment_size": "1MB", "appendfsync": "always", "nonsense": 1}
    with pytest.raises(kiwi_engine.ConfigError) as caught:
        engine.configure(**wrong)
    assert len(caught.value.problems) == 2
    assert engine._driver.engine.pipeline.sync_mode == "no"


def test_one_engine_a_directory(tmp_path: Path) -> None:
    with kiwi_engine.open(tmp_path, **TINY):
        with pytest.raises(kiwi_engine.LockedError):
            kiwi_engine.open(tmp_path, **TINY)
        script = f"import kiwi_engine; kiwi_engine.open({str(tmp_path)!r})"
        child = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
        assert b"LockedError" in child.stderr
    kiwi_engine.open(tmp_path, **TINY).close()


def test_servers_and_programs_take_turns_on_a_directory(tmp_path: Path) -> None:
    """Each sees its own table, and leaves the other's alone."""
    server_settings = Settings(dir=str(tmp_path), disk_reserve=0, wal_segment_size=65536)

    def serve() -> StorageRuntime:
        return StorageRuntime(server_settings, lambda replies, answers: None)

    runtime = serve()
    runtime.engine.begin()
    runtime.keyspace.database(0).set(b"key", b"server's")
    runtime.engine.end()
    runtime.close()
    with kiwi_engine.open(tmp_path, **TINY) as engine:
        assert list(engine.scan()) == []
        assert engine.count() == 0
        engine.put(b"key", b"program's")
        engine.delete_range(b"l")
        assert engine.count() == 1
    runtime = serve()
    assert runtime.keyspace.database(0).get(b"key", 0) == b"server's"
    assert runtime.keyspace.facts(0)[0].keys == 1
    runtime.close()
    with kiwi_engine.open(tmp_path, **TINY) as engine:
        engine.delete_range()
        engine.flush()
        assert engine.count() == 0
    runtime = serve()
    assert runtime.keyspace.database(0).get(b"key", 0) == b"server's"
    runtime.close()


def test_importing_the_package_is_cheap() -> None:
    script = (
        "import sys, kiwi_engine\n"
        "kiwi_engine.KiwiError, kiwi_engine.WriteBatch\n"
        "assert 'rocksdict' not in sys.modules\n"
        "kiwi_engine.open\n"
        "kiwi_engine.Engine, kiwi_engine.Snapshot, kiwi_engine.Transaction\n"
        "import kiwi_engine.aio\n"
        "assert 'uvloop' not in sys.modules and 'hiredis' not in sys.modules\n"
        "assert not any(name.startswith('kiwi_engine.server') for name in sys.modules)\n"
        "assert all(getattr(kiwi_engine, name) for name in kiwi_engine.__all__)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(AttributeError):
        _ = kiwi_engine.nonsense


# ---- the end


def test_after_close(tmp_path: Path) -> None:
    engine = kiwi_engine.open(tmp_path, **TINY)
    engine.put(b"key", b"x" * 100)
    snapshot, scan = engine.snapshot(), engine.scan()
    transaction = engine.transaction()
    transaction.__enter__()
    transaction.put(b"key", b"")
    engine.close()
    engine.close()

    def write_and_count() -> None:
        engine.write(kiwi_engine.WriteBatch())
        engine.count()

    calls: tuple[Callable[[], object], ...] = (
        lambda: engine.put(b"key", b""),
        lambda: engine.get(b"key"),
        write_and_count,
        lambda: next(scan),
        lambda: snapshot.get(b"key"),
        lambda: next(snapshot.scan()),
        engine.snapshot,
        lambda: engine.transaction().__enter__(),
        lambda: transaction.__exit__(None, None, None),
        engine.flush,
        engine.sync,
        engine.statistics,
        lambda: engine.configure(appendfsync="no"),
    )
    for call in calls:
        with pytest.raises(kiwi_engine.EngineClosedError):
            call()
    snapshot.close()


def test_an_engine_is_not_copied(engine: kiwi_engine.Engine) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(engine)
    with pytest.raises(TypeError):
        copy.copy(engine)
    assert repr(engine) == f"<kiwi_engine.Engine {engine.path!r}>"


def test_a_forgotten_engine_closes_itself(tmp_path: Path) -> None:
    engine = kiwi_engine.open(tmp_path, **TINY)
    engine.put(b"key", b"value")
    with pytest.warns(ResourceWarning, match="unclosed engine"):
        del engine
        gc.collect()
    wait_until(lambda: _can_be_opened(tmp_path))


def _can_be_opened(path: Path) -> bool:
    try:
        with kiwi_engine.open(path, **TINY) as engine:
            return engine.get(b"key") == b"value"
    except kiwi_engine.LockedError:
        return False


def test_views_keep_their_engine_open(tmp_path: Path) -> None:
    engine = kiwi_engine.open(tmp_path, **TINY)
    for number in range(300):
        engine.put(b"%03d" % number, b"x" * 100)
    snapshot, scan, transaction = engine.snapshot(), engine.scan(), engine.transaction()
    owner = engine
    del engine
    gc.collect()
    assert snapshot.get(b"000") == b"x" * 100
    assert len(list(scan)) == 300
    with transaction:
        transaction.put(b"a", b"")
    owner.close()


def test_forgotten_views_are_let_go(engine: kiwi_engine.Engine) -> None:
    for number in range(300):
        engine.put(b"%03d" % number, b"x" * 100)
    snapshot, scan, keys = engine.snapshot(), engine.scan(), engine.keys()
    next(scan), next(keys)
    assert engine.statistics().views == {"snapshot": 1, "iterator": 2}
    del snapshot, scan
    keys.close()  # type: ignore[attr-defined]
    wait_until(lambda: engine.statistics().views == {})
    assert not engine._driver._views


PROGRAM = """
import sys, threading, kiwi_engine
engine = kiwi_engine.open(sys.argv[1], wal_segment_size="16kb", drain_max_entries=20,
                          drain_interval="5ms", disk_reserve=0, memory="8MB")
engine.put(b"main", b"x")
def work():
    if sys.argv[2] == "outlive":
        threading.main_thread().join()
    for number in range(1000):
        engine.put(b"%d" % number, b"x" * 100)
worker = threading.Thread(target=work)
worker.start()
if sys.argv[2] == "return":
    worker.join()
    snapshot, scan = engine.snapshot(), engine.scan()
    next(scan)
"""


@pytest.mark.parametrize("how", ["return", "outlive"])
def test_a_program_that_ends_without_closing(tmp_path: Path, how: str) -> None:
    """It ends, has lost nothing, and left nothing to replay."""
    program = [sys.executable, "-W", "error", "-c", PROGRAM, str(tmp_path), how]
    ended = subprocess.run(program, capture_output=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    with kiwi_engine.open(tmp_path, **TINY) as engine:
        assert engine.count() == 1001
        assert engine.statistics().records_replayed == 0


def test_a_forked_child_is_refused_and_does_no_harm(tmp_path: Path) -> None:
    engine = kiwi_engine.open(tmp_path, **TINY)
    engine.put(b"key", b"value")
    engine.flush()
    snapshot, scan = engine.snapshot(), engine.scan()
    next(scan)
    with engine._driver.mutex:  # as if another thread were at work
        child = os.fork()
        if child == 0:
            refused = 0
            for call in (
                lambda: engine.get(b"key"),
                lambda: engine.put(b"key", b""),
                lambda: snapshot.get(b"key"),
                engine.snapshot,
            ):
                try:
                    call()
                except kiwi_engine.EngineClosedError:
                    refused += 1
            engine.close()
            snapshot.close()
            del engine, snapshot, scan
            gc.collect()
            os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    engine.put(b"key", b"new")
    engine.flush()
    assert snapshot.get(b"key") == b"value"
    engine.close()
    with kiwi_engine.open(tmp_path, **TINY) as again:
        assert list(again.scan()) == [(b"key", b"new")]


def test_closing_from_many_threads(tmp_path: Path) -> None:
    engine = kiwi_engine.open(tmp_path, **TINY)
    threads = [threading.Thread(target=engine.close) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    kiwi_engine.open(tmp_path, **TINY).close()


# ---- visible


def test_backup_and_restore(engine: kiwi_engine.Engine, tmp_path: Path) -> None:
    engine.put(b"key", b"x" * 500)
    report = engine.backup(tmp_path / "backup")
    assert report.last_lsn == 1
    with pytest.raises(kiwi_engine.BackupError):
        engine.backup(tmp_path / "backup")
    engine.put(b"other", b"value")
    assert engine.backup(tmp_path / "backup", incremental=True).last_lsn == 2
    with pytest.raises(kiwi_engine.BackupError):
        engine.backup(Path(engine.path) / "wal")
    command = [sys.executable, "-m", "kiwi_engine", "restore"]
    restored = tmp_path / "restored"
    subprocess.run([*command, str(tmp_path / "backup"), str(restored)], check=True)
    with kiwi_engine.open(restored, **TINY) as copied:
        assert list(copied.scan()) == list(engine.scan())


def test_collecting_keeps_what_a_snapshot_shows(engine: kiwi_engine.Engine) -> None:
    keys = [b"%03d" % number for number in range(100)]
    for key in keys:
        engine.put(key, os.urandom(1000))
    engine.flush()
    before = dict(engine.scan())
    snapshot = engine.snapshot()
    for key in keys:
        engine.put(key, os.urandom(1000))
    after = dict(engine.scan())
    engine.collect()
    assert dict(snapshot.scan()) == before
    assert dict(engine.scan()) == after
    snapshot.close()
    engine.collect()
    wait_until(lambda: not engine.statistics().values["gc_segments_held"])
    freed_bytes = engine.statistics().values["gc_bytes_freed"]
    assert isinstance(freed_bytes, int)
    assert freed_bytes > 80_000
    assert dict(engine.scan()) == after
    with pytest.raises(ValueError, match="a share is"):
        engine.collect(2)


def test_statistics(engine: kiwi_engine.Engine) -> None:
    for number in range(10):
        engine.put(b"%d" % number, b"x" * 100)
    with engine.snapshot(), engine.transaction():
        statistics = engine.statistics()
    assert statistics.commit.groups == statistics.commit.syncs == 10
    assert statistics.commit.durable_lsn == 10
    assert statistics.values["values"] == 10
    assert statistics.views == {"snapshot": 1}
    assert statistics.open_transactions == 1
    assert (statistics.pressure, statistics.refusal) == ("none", "")
    engine.flush()
    assert engine.statistics().commit.applied_lsn == 10
    assert engine.statistics().memory.pending_keys == 0

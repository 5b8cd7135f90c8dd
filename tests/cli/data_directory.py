"""Data directories as an engine leaves them, for the tests of the inspecting verbs."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.keyspace.encoding import data_key, namespace_prefix, tally

VALUE_BYTES = 1500
SETTINGS = EngineSettings(
    wal_segment_bytes=1 << 15,
    value_segment_bytes=1 << 17,
    value_threshold=1000,
    index=IndexSettings(block_cache_bytes=1 << 20, write_buffer_bytes=1 << 20),
)
_NAMESPACE = namespace_prefix(0)


def open_engine(path: Path) -> Engine:
    engine = Engine.open(str(path), SETTINGS, tally, lambda replies, failure: None)
    if engine.opened.log.needs_segment:
        engine.opened.log.prepare_segment()
    return engine


def stored_key(name: str) -> bytes:
    return data_key(_NAMESPACE, name.encode())


def commit(engine: Engine, write: Callable[[], None]) -> None:
    """One group, durable when this returns."""
    engine.begin()
    write()
    engine.answer(1, b"+OK\r\n", 1)
    engine.end()
    engine.pipeline.wait_idle()


def fill(engine: Engine, groups: int, seed: int = 7) -> None:
    """In each group one small value and one that goes to the value log; LSNs 1 to `groups`."""
    chance = random.Random(seed)
    for group in range(groups):

        def write(group: int = group) -> None:
            engine.store.put(stored_key(f"small{group}"), b"\x00%d" % group)
            large = b"\x00" + chance.randbytes(VALUE_BYTES - 1)
            engine.store.put(stored_key(f"large{group}"), large)

        commit(engine, write)


def closed(path: Path, groups: int = 8) -> Path:
    """A directory after an orderly stop."""
    engine = open_engine(path)
    fill(engine, groups)
    engine.close()
    return path


def crashed(path: Path, groups: int = 8) -> Path:
    """A directory as a dying process leaves it: copied while the engine was running."""
    running = path.with_name(path.name + "-running")
    engine = open_engine(running)
    fill(engine, groups)
    shutil.copytree(running, path)
    engine.close()
    return path


def flip(path: Path, offset: int) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def cut(path: Path, length: int) -> None:
    """Cut a file to `length` bytes, or (negative) by that many."""
    content = path.read_bytes()
    path.write_bytes(content[:length])


def fingerprint(path: Path) -> dict[str, str]:
    """The name and the content of every file and directory below `path`."""
    return {
        str(entry.relative_to(path)): (
            hashlib.sha256(entry.read_bytes()).hexdigest() if entry.is_file() else "directory"
        )
        for entry in sorted(path.rglob("*"))
    }

"""What one command costs in each process, step by step, without sockets (glue).

    python benchmarks/hot_path.py

Prints microseconds of processor time per command. The steps of the network process are parsing and
both ends of its frames; those of the storage process are decoding, executing, encoding the log
record and draining. The target is about 3 us per command and process on the pipelined SET path.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kiwi_engine.channel.frames import (
    LENGTH,
    Reply,
    Request,
    Run,
    decode_reply,
    decode_request,
    encode_frame,
)
from kiwi_engine.commands.executor import Executor
from kiwi_engine.commit.changes import decode_changes, encode_changes
from kiwi_engine.commit.group import Entry
from kiwi_engine.engine.drain import SLICE_KEYS
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.index.settings import IndexSettings
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.resp.request import Limits
from kiwi_engine.testing.memory_store import MemoryStore
from tests.support.client import encode

PIPELINE: Final = 100
RUNS_A_FRAME: Final = 50
KEYS: Final = 100_000
VALUE: Final = b"v" * 64
_REPEAT: Final = 5
_NOW_MS: Final = 1_700_000_000_000


def measure(name: str, count: int, action: Callable[[], object]) -> None:
    """Print the best of several runs of `action`, which handles `count` commands."""
    best = min(_timed(action) for _ in range(_REPEAT))
    print(f"  {name:<52}{best / count / 1000:8.2f} us/command", flush=True)


def _timed(action: Callable[[], object]) -> int:
    started = time.process_time_ns()
    action()
    return time.process_time_ns() - started


def command(verb: bytes, number: int) -> list[bytes]:
    """One command as redis-benchmark sends it."""
    key = b"key:%012d" % (number * 7919 % KEYS)
    return [verb, key, VALUE] if verb == b"SET" else [verb, key]


def pipelines(verb: bytes, length: int, count: int) -> list[list[list[bytes]]]:
    """`count` pipelines of `length` commands each."""
    return [[command(verb, p * length + n) for n in range(length)] for p in range(count)]


def network_process() -> None:
    """Parsing requests, framing them, unpacking replies."""
    print("network process")
    for verb, length in ((b"SET", 100), (b"SET", 16), (b"SET", 1), (b"GET", 16)):
        chunks = [
            b"".join(encode(*words) for words in commands)
            for commands in pipelines(verb, length, 2000 // length + 1)
        ]
        reader = RequestReader(Limits())

        def parse(chunks: list[bytes] = chunks, reader: RequestReader = reader) -> None:
            for chunk in chunks:
                reader.feed(chunk)

        measure(f"parse {verb.decode()}, P={length}", len(chunks) * length, parse)
    request, reply = frame(b"SET"), reply_frame()
    measure("encode frame of requests", PIPELINE * RUNS_A_FRAME, lambda: encode_frame(request))
    body = encode_frame(reply)[LENGTH.size :]
    measure("decode frame of replies", PIPELINE * RUNS_A_FRAME, lambda: decode_reply(body))


def frame(verb: bytes) -> Request:
    """The pipelines of many connections in one event-loop tick."""
    commands = pipelines(verb, PIPELINE, RUNS_A_FRAME)
    return Request([Run(number, 0, 0, False, run) for number, run in enumerate(commands)], [])


def reply_frame() -> Reply:
    return Reply([(number, b"+OK\r\n" * PIPELINE) for number in range(RUNS_A_FRAME)], [])


def storage_process() -> None:
    """Unpacking requests, executing them, encoding log record and replies."""
    print("storage process")
    body = encode_frame(frame(b"SET"))[LENGTH.size :]
    count = PIPELINE * RUNS_A_FRAME
    measure("decode frame of requests", count, lambda: decode_request(body))
    executor = Executor(Keyspace(MemoryStore(tally), 16))
    for verb in (b"SET", b"GET", b"INCR"):
        # INCR needs numbers where SET left text: each verb has a database of its own but GET.
        db = 1 if verb == b"INCR" else 0
        commands = pipelines(verb, PIPELINE, RUNS_A_FRAME)

        def execute(commands: list[list[list[bytes]]] = commands, db: int = db) -> None:
            for run in commands:
                executor.execute(db, False, run, _NOW_MS)

        measure(f"execute {verb.decode()} on a store in memory", count, execute)
    reply = reply_frame()
    measure("encode frame of replies", count, lambda: encode_frame(reply))
    changes = physical_changes(count)
    measure("encode log record", count, lambda: encode_changes(_NOW_MS, [], changes))
    payload = encode_changes(_NOW_MS, [], changes)
    measure("decode log record (recovery)", count, lambda: decode_changes(payload))


def physical_changes(count: int) -> dict[bytes, Entry]:
    """What SET of `count` distinct keys writes, taken from a real keyspace."""
    store = MemoryStore(tally)
    executor = Executor(Keyspace(store, 16))
    executor.execute(0, False, [command(b"SET", number) for number in range(count)], _NOW_MS)
    return {key: store.get(key) for key, _ in store.range(b"", b"\xff")}


def background() -> None:
    """Looking up what is replaced, and writing sorted batches into the index."""
    print("background (drain)")
    entries = physical_changes(50_000)
    keys = sorted(entries)
    changes = [(key, value) for key in keys if isinstance(value := entries[key], bytes)]
    with tempfile.TemporaryDirectory(prefix="kiwi-hot-path-") as directory:
        index = RocksIndex.open(str(Path(directory) / "index"), IndexSettings())
        try:
            measure("look up 1000 keys, none present", 1000, lambda: index.get_many(keys[:1000]))
            measure("write", len(changes), lambda: write(index, changes))
            index.flush()
            measure("look up 1000 keys, all present", 1000, lambda: index.get_many(keys[:1000]))
            heads: Counter[bytes] = Counter()
            measure(
                "count for DBSIZE",
                len(changes),
                lambda: [heads.update(tally(key, value)) for key, value in changes],
            )
        finally:
            index.close()


def write(index: RocksIndex, changes: list[tuple[bytes, bytes]]) -> None:
    """In slices, as a drain does."""
    for start in range(0, len(changes), SLICE_KEYS):
        index.write(changes[start : start + SLICE_KEYS], [])


def main() -> int:
    """Run all steps."""
    network_process()
    storage_process()
    background()
    return 0


if __name__ == "__main__":
    sys.exit(main())

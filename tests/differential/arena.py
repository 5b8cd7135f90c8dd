"""Starts the servers that the families are compared with (glue)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.differential.harness import SocketServer, live_server
from tests.differential.in_process import (
    ENCODING_LIMITS,
    TINY_FORMS,
    InProcessServer,
    limits_from,
)
from tests.differential.runs import Arena, Form
from tests.support.servers import (
    ServerProcess,
    find_redis_server,
    find_valkey_server,
    kiwi,
    redis_server,
    valkey_server,
)

# What is written is soon in the index, and read and walked over from there.
_DRAINED_AT_ONCE: Final[dict[str, str | int]] = {
    "appendfsync": "no",
    "wal-segment-size": "1mb",
    "drain-max-entries": 20,
    "drain-interval": 1,
    "rocksdb-write-buffer-size": 65_536,
}
_REDIS_LACKS: Final = frozenset(("set-max-listpack-entries", "set-max-listpack-value"))


@contextlib.contextmanager
def small_arena(directory: Path) -> Iterator[Arena]:
    """Whatever is installed, with low thresholds, and without expiry in the background."""
    settings = {name: str(value) for name, value in ENCODING_LIMITS.items()}
    settings |= {"enable-debug-command": "yes"}
    processes: dict[str, ServerProcess] = {}
    if find_valkey_server() is not None:
        processes["valkey"] = valkey_server(directory / "valkey", settings)
    if find_redis_server() is not None:
        known = {name: value for name, value in settings.items() if name not in _REDIS_LACKS}
        processes["redis"] = redis_server(directory / "redis", known)
    with contextlib.ExitStack() as stack:
        references = {}
        for name, process in processes.items():
            stack.enter_context(process)
            references[name] = connection = SocketServer("127.0.0.1", process.port)
            stack.callback(connection.close)
            connection.pipeline([[b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"]])
        yield Arena(references, our_forms())


@contextlib.contextmanager
def running_form(directory: Path) -> Iterator[Form]:
    """A whole Kiwi Engine in which little fits into memory, and everything is split."""
    settings = {name: str(value) for name, value in {**ENCODING_LIMITS, **TINY_FORMS}.items()}
    with kiwi(directory / "data", {**settings, **_DRAINED_AT_ONCE}) as process:
        connection = SocketServer("127.0.0.1", process.port)
        yield Form(connection, keeps_order=False)
        connection.close()


def our_forms() -> tuple[Form, ...]:
    """The running server that the environment names, or the executor in this process, twice."""
    live = live_server()
    if live is not None:
        flat = [text.encode() for pair in ENCODING_LIMITS.items() for text in map(str, pair)]
        assert live.pipeline([[b"CONFIG", b"SET", *flat]]) == [b"+OK\r\n"]
        return (Form(live, keeps_order=True),)
    whole = limits_from(ENCODING_LIMITS)
    split = limits_from({**ENCODING_LIMITS, **TINY_FORMS})
    return (
        Form(InProcessServer(whole), keeps_order=True),
        Form(InProcessServer(split, thorough=True), keeps_order=False),
    )

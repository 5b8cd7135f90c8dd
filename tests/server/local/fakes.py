"""A server without sockets: the local commands over a fake of the network runtime."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Any

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ChannelClosedError
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.server.facade import ServerFacts
from kiwi_engine.server.local import dispatch, is_locked_out
from kiwi_engine.server.session import Session
from kiwi_engine.server.statistics import NetworkStatistics
from tests.support.client import encode

STORAGE_FACTS = {
    "persistence": {"durable_lsn": 7, "last_sync_error": "", "writes_refused": False},
    "stats": {"keyspace_hits": 3},
    "commitworker": {"requests_per_group_avg": 1.5},
    "keyspace": {"db0": {"keys": 2, "expires": 1, "avg_ttl": 900}},
    "commandstats": {
        "get": {"calls": 4, "usec": 10, "rejected_calls": 1, "failed_calls": 2},
        "ping": {"calls": 1, "usec": 1, "rejected_calls": 0, "failed_calls": 0},
    },
    "errorstats": {"ERR": 2, "WRONGTYPE": 1},
}


class FakeServer:
    """Implements `ServerFacade`; `run` is what a connection does with what it receives."""

    def __init__(self, **settings: Any) -> None:
        self.config = LiveConfig(msgspec.structs.replace(Settings(), **settings))
        self.statistics = NetworkStatistics()
        self.storage_is_up = True
        self.queries: list[str] = []
        # What the storage runtime answers, by query; None to all others.
        self.answers: dict[str, Any] = {
            "stats": STORAGE_FACTS,
            "save": True,
            "save_facts": {"rdb_last_save_time": 1_700_000_000},
            "backup_status": {"in_progress": 0, "failure": "", "made": 1, "last": {"files": 9}},
            "backup_cancel": False,
        }
        self.is_stopping = False
        self.facts = ServerFacts(
            kiwi_version="0.1.0",
            run_id="a" * 40,
            runtime_mode="dual",
            tcp_port=7379,
            executable="/usr/bin/kiwi-engine",
            config_file="",
            process_id=os.getpid(),
            network_process_id=os.getpid(),
            storage_process_id=os.getppid(),
            started_ns=monotonic_ns() - 90_000 * 1_000_000_000,
        )
        self._sessions: dict[int, Session] = {}

    def connect(self, address: str = "127.0.0.1:5000") -> Session:
        session = Session(
            len(self._sessions) + 1,
            address,
            "127.0.0.1:7379",
            monotonic_ns(),
            authenticated=self.config.get("requirepass") == "",
            file_descriptor=9,
            is_local=True,
        )
        self._sessions[session.id] = session
        return session

    def sessions(self) -> Iterable[Session]:
        return self._sessions.values()

    def buffers(self, session: Session) -> tuple[int, int]:
        return (10 * session.id, 20 * session.id)

    def kill(self, session: Session) -> None:
        del self._sessions[session.id]

    async def query(self, method: str, parameters: dict[str, Any]) -> Any:
        self.queries.append(method)
        await asyncio.sleep(0)
        if not self.storage_is_up:
            raise ChannelClosedError("the storage runtime is down")
        return self.answers.get(method)

    def network_sections(self) -> dict[str, dict[str, Any]]:
        return {"channel": {"requests_in_flight": 5}}

    def request_shutdown(self) -> None:
        self.is_stopping = True

    def run(self, session: Session, *words: bytes | str | int) -> bytes:
        """The raw reply to one command."""
        return self.run_raw(session, encode(*words))

    def run_raw(self, session: Session, data: bytes) -> bytes:
        """The raw replies to bytes from the wire."""
        reader = RequestReader()
        replies = b""
        for arguments in reader.feed(data):
            answer = dispatch(self, session, arguments)
            replies += answer if isinstance(answer, bytes) else asyncio.run(answer)
        if reader.error is not None:
            replies += b"-%b\r\n" % reader.error.text.encode()
        return replies

    def is_locked_out(self, session: Session) -> bool:
        return is_locked_out(self, session)

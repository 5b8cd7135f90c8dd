"""A server without sockets: the local commands over a fake of the network runtime."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ChannelClosedError
from kiwi_engine.resp.fast import RequestReader
from kiwi_engine.server.network.access_control import AccessControl
from kiwi_engine.server.network.facade import ServerFacts
from kiwi_engine.server.network.latency.recorder import LatencyRecorder
from kiwi_engine.server.network.lifecycle_view import Unwatched
from kiwi_engine.server.network.local import dispatch, is_locked_out
from kiwi_engine.server.network.monitoring import Monitors
from kiwi_engine.server.network.monitors_elsewhere import PrimaryElsewhere
from kiwi_engine.server.network.peers.peers import Alone, Peers
from kiwi_engine.server.network.pubsub.broker import Broker
from kiwi_engine.server.network.pubsub.exchange import Exchange, PrimaryExchange
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.spanning.spanning import Spanning
from kiwi_engine.server.network.statistics import NetworkStatistics
from kiwi_engine.server.network.tracking.tracking import Tracking
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
        self.acl = AccessControl(self.config)
        self.statistics = NetworkStatistics()
        self.latency = LatencyRecorder(self.config.settings, self._find_session)
        # Pushed messages: (connection, encoded, whether behind the reply under way).
        self.pushed: list[tuple[int, bytes, bool]] = []
        self.broker = Broker(
            lambda session, encoded: self.pushed.append((session, encoded, False)),
            lambda session, encoded: self.pushed.append((session, encoded, True)),
            lambda: None,
        )
        self.lifecycle = Unwatched()
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
        self.peers: Peers = Alone()
        self.tracking = Tracking(
            self, lambda method, parameters: self.queries.append(method), self.peers
        )
        self.exchange: Exchange = PrimaryExchange(self.broker, self.peers)
        self.monitors = Monitors(
            self.push,
            self.push_behind,
            lambda: None,
            lambda wanted: None,
            PrimaryElsewhere(self.peers),
        )
        self.spanning: Spanning | None = None
        self.pauses: list[tuple[int, bool]] = []
        self.facts = ServerFacts(
            kiwi_version="0.1.0",
            run_id="a" * 40,
            runtime_mode="dual",
            executable="/usr/bin/kiwi-engine",
            config_file="",
            process_id=os.getpid(),
            network_process_id=os.getpid(),
            storage_process_id=os.getppid(),
            started_ns=monotonic_ns() - 90_000 * 1_000_000_000,
        )
        self._sessions: dict[int, Session] = {}

    def _find_session(self, session_id: int) -> Session | None:
        return self._sessions.get(session_id)

    def connect(self, address: str = "127.0.0.1:5000") -> Session:
        session = Session(
            len(self._sessions) + 1,
            address,
            "127.0.0.1:7379",
            monotonic_ns(),
            authenticated=not self.acl.needs_login,
            file_descriptor=9,
            is_local=True,
        )
        self._sessions[session.id] = session
        return session

    def sessions(self) -> Iterable[Session]:
        return self._sessions.values()

    def buffers(self, session: Session) -> tuple[int, int]:
        return (10 * session.id, 20 * session.id)

    def find_session(self, session_id: int) -> Session | None:
        return self._sessions.get(session_id)

    def push(self, session_id: int, encoded: bytes) -> None:
        self.pushed.append((session_id, encoded, False))

    def push_behind(self, session_id: int, encoded: bytes) -> None:
        self.pushed.append((session_id, encoded, True))

    def behind_answers(self, session_id: int, action: Callable[[], None]) -> None:
        action()

    def kill(self, session: Session) -> None:
        del self._sessions[session.id]

    def pause(self, timeout_ms: int, *, holds_all: bool) -> None:
        self.pauses.append((timeout_ms, holds_all))

    def unpause(self) -> None:
        self.pauses.clear()

    async def query(self, method: str, parameters: dict[str, Any]) -> Any:
        self.queries.append(method)
        await asyncio.sleep(0)
        if not self.storage_is_up:
            raise ChannelClosedError("the storage runtime is down")
        return self.answers.get(method)

    async def storage_facts(self, session: Session) -> Any:
        return await self.query("stats", {})

    def reset_network_sections(self) -> None:
        self.queries.append("reset network sections")

    def network_sections(self) -> dict[str, dict[str, Any]]:
        return {"channel": {"requests_in_flight": 5}}

    def channel_times(self) -> dict[str, list[int]]:
        return {}

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

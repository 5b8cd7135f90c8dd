"""The network runtime: listeners, connections, and the facts that local commands ask for (shell).

One event loop owns everything here. It implements `server.network.facade.ServerFacade`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

import msgspec

from kiwi_engine.acl.user import User
from kiwi_engine.channel.events import (
    Flushed,
    Invalidated,
    Monitored,
    Published,
    ScriptIsSlow,
    SlowCommand,
    Spike,
    StorageBegan,
    Waits,
    WatchBroken,
)
from kiwi_engine.channel.queries import STATS
from kiwi_engine.clock import monotonic_ns
from kiwi_engine.config.live import LiveConfig
from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.logs import set_level
from kiwi_engine.resp.request import Limits
from kiwi_engine.server.network.access_control import AccessControl
from kiwi_engine.server.network.access_link import AccessLink
from kiwi_engine.server.network.client_counts import ClientCounts
from kiwi_engine.server.network.connection import Connection
from kiwi_engine.server.network.cross_protocol import CrossProtocolWarnings
from kiwi_engine.server.network.descriptors import refuse_too_many_clients
from kiwi_engine.server.network.event_routing import EventRouting
from kiwi_engine.server.network.facade import ServerFacts
from kiwi_engine.server.network.latency.recorder import LatencyRecorder
from kiwi_engine.server.network.lifecycle_view import LifecycleView, Unwatched
from kiwi_engine.server.network.local.contribution import QUERY as CONTRIBUTION
from kiwi_engine.server.network.local.contribution import contribution
from kiwi_engine.server.network.local.dispatcher import HANDLERS
from kiwi_engine.server.network.local.shares import SHARES
from kiwi_engine.server.network.local.wishes import tell_storage
from kiwi_engine.server.network.loss_exchange import LossExchange
from kiwi_engine.server.network.lost_runs import Touched
from kiwi_engine.server.network.monitoring import QUERY as MONITOR_SCRIPTS
from kiwi_engine.server.network.monitoring import Monitors
from kiwi_engine.server.network.monitors_elsewhere import PrimaryElsewhere, WorkerElsewhere
from kiwi_engine.server.network.output_limits import SlowReaders
from kiwi_engine.server.network.pauses import Pauses
from kiwi_engine.server.network.peers.peers import Alone, Peers
from kiwi_engine.server.network.pubsub.broker import QUERY as SUBSCRIBERS
from kiwi_engine.server.network.pubsub.broker import Broker
from kiwi_engine.server.network.pubsub.exchange import Exchange, PrimaryExchange
from kiwi_engine.server.network.pubsub.worker_exchange import WorkerExchange
from kiwi_engine.server.network.query_limits import limits_for
from kiwi_engine.server.network.session import Session
from kiwi_engine.server.network.spanning.newcomers import tell_newcomers
from kiwi_engine.server.network.spanning.reports import gather_reports
from kiwi_engine.server.network.spanning.spanning import Spanning
from kiwi_engine.server.network.statistics import NetworkStatistics
from kiwi_engine.server.network.storage_client import StorageClient
from kiwi_engine.server.network.tracking.tracking import Tracking
from kiwi_engine.server.network.transaction import Watching
from kiwi_engine.server.network.transport.admission import peer_of, refusal
from kiwi_engine.server.network.transport.listeners import Listeners
from kiwi_engine.server.network.transport.sockets import tune
from kiwi_engine.version import VERSION

logger = logging.getLogger(__name__)

_SWEEP_INTERVAL_S: Final = 0.1
# A script that is slow when the server stops may never end.
_SCRIPT_DEADLINE_S: Final = 1.0
_DEBUG_REFUSAL: Final = (
    'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you '
    "can run it from a local connection, otherwise you need to set this option in the "
    "configuration file, and then restart the server."
)


class NetworkRuntime:
    """Serves clients until `stop`. `on_shutdown` is called when a client asks for the end."""

    def __init__(
        self,
        config: LiveConfig,
        storage: StorageClient,
        config_file: str,
        on_shutdown: Callable[[], None],
        users: Iterable[User] = (),
        peers: Peers | None = None,
        counts: ClientCounts | None = None,
    ) -> None:
        self.peers: Peers = peers or Alone()
        self.config = config
        self.storage = storage
        self.statistics = NetworkStatistics()
        self.acl = AccessControl(config, users)
        settings = config.settings
        self.facts = ServerFacts(
            kiwi_version=VERSION,
            run_id=secrets.token_hex(20),
            runtime_mode=settings.runtime_mode,
            executable=sys.executable,
            config_file=config_file,
            process_id=os.getpid(),
            network_process_id=os.getpid(),
            storage_process_id=None,
            started_ns=monotonic_ns(),
        )
        # Set by whoever starts and stops both runtimes.
        self.lifecycle: LifecycleView = Unwatched()
        self._on_shutdown = on_shutdown
        self._connections: dict[int, Connection] = {}
        # Of connections that are gone, and whose last EXEC may still have to be run.
        self._departed: list[Session] = []
        numbering = self.peers.numbering
        self.counts = counts or ClientCounts.alone()
        self._listeners = Listeners(config, lambda: Connection(self), self._has_room, numbering)
        self._listeners.handshakes.on_failure = self._note_clients
        self._all_gone = asyncio.Event()
        self._sweep: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._to_flush: list[Connection] = []
        # False while each command has to be looked at (MONITOR, CLIENT PAUSE).
        self.is_quiet = True
        self.pauses = Pauses(self._settle_quiet)
        self.latency = LatencyRecorder(settings, self.find_session, numbering)
        self.events = EventRouting()
        self.broker = Broker(self.push, self._push_held, self._subscribers_changed)
        exchange = PrimaryExchange if self.peers.is_primary else WorkerExchange
        self.exchange: Exchange = exchange(self.broker, self.peers)
        self.tracking = Tracking(self, storage.tell_in_order, self.peers)
        monitors_elsewhere = PrimaryElsewhere if self.peers.is_primary else WorkerElsewhere
        self.monitors = Monitors(
            self.push,
            self._push_behind,
            self._settle_quiet,
            self._tell_monitoring,
            monitors_elsewhere(self.peers),
        )
        self.slow_readers = SlowReaders(settings.client_output_buffer_limit, self.statistics)
        self._hear_storage()
        self.spanning: Spanning | None = None
        self._losses: LossExchange | None = None
        if self.peers.numbering.count > 1:
            self._join_peers(self.peers)
        AccessLink(self, storage, self.events)
        config.subscribe(self._settings_changed)
        config.check_with(refuse_too_many_clients)
        self.cross_protocol = CrossProtocolWarnings()

    def _hear_storage(self) -> None:
        """Say who is told what the storage runtime tells, and what each new one is told."""
        hear, storage = self.events.register, self.storage
        hear(SlowCommand, self.latency.storage_was_slow)
        hear(Spike, self.latency.spiked)
        hear(WatchBroken, self._break_watches)
        hear(Published, self.broker.deliver)
        hear(Invalidated, self.tracking.invalidated)
        hear(Flushed, self.tracking.flushed)
        hear(Monitored, self.monitors.show_called)
        hear(Waits, storage.note_wait)
        hear(ScriptIsSlow, storage.note_script)
        storage.on_event = self.events.take
        storage.on_loss = self._storage_lost
        storage.greet(self._watched_keys)
        storage.greet(self._returned_runs)
        storage.greet(self.broker.greeting)
        storage.greet(self.tracking.greeting)
        storage.greet(self.monitors.greeting)

    def _join_peers(self, peers: Peers) -> None:
        """Do with the other network processes what has to be done with them all."""
        self._losses = LossExchange(peers, self._conclude_losses)
        self.events.register(StorageBegan, self._losses.storage_began)
        self.storage.agree, self.storage.on_use = self._losses.agree, self._storage_is_used
        self.spanning = Spanning(self, peers, HANDLERS, SHARES, self._patience_s)
        gather_reports(peers, self.acl, self.latency)
        tell_newcomers(peers, self.pauses)
        peers.register(CONTRIBUTION, lambda _: contribution(self))

    # ---- life

    async def bind(self) -> None:
        """Take all addresses without listening yet; `OSError` if one of them is taken.

        `ConfigError` if there are none, or for certificates that cannot be used.
        """
        self._listeners.bind()

    async def start(self) -> None:
        """Listen: from now on clients are served."""
        await self._listeners.start()
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(_SWEEP_INTERVAL_S, self._sweep_now)

    async def stop(self, deadline_s: float) -> None:
        """Accept nothing more, let what was accepted be answered, close all connections."""
        self._listeners.close()
        for connection in list(self._connections.values()):
            connection.stop_reading()
            connection.drop_wait()
            connection.close_when_answered()
        if self._connections:
            self._start(self._tell_storage("finish_runs", {}))
            self._all_gone.clear()
            if self.storage.is_held_up:
                deadline_s = min(deadline_s, _SCRIPT_DEADLINE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), deadline_s)
        for connection in list(self._connections.values()):
            connection.abort()
        if self._sweep is not None:
            self._sweep.cancel()

    def _settle_quiet(self) -> None:
        self.is_quiet = not (self.pauses.is_on or self.monitors)

    def _tell_monitoring(self, wanted: bool) -> None:
        self.storage.tell_in_order(MONITOR_SCRIPTS, {"wanted": wanted})

    def _sweep_now(self) -> None:
        """Ten times a second: deadlines, idle clients, rates."""
        now_ns = monotonic_ns()
        self.storage.expire(now_ns)
        self.statistics.sample(now_ns)
        self.slow_readers.sweep(now_ns)
        timeout_ns = self.config.settings.timeout * 1_000_000_000
        if timeout_ns:
            for connection in list(self._connections.values()):
                session = connection.session
                # These have nothing to say.
                listens = session.subscriptions is not None or session.is_monitor
                is_idle = connection.is_idle and not (listens or session.is_blocked)
                if is_idle and now_ns - session.last_interaction_ns > timeout_ns:
                    connection.abort()
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(_SWEEP_INTERVAL_S, self._sweep_now)

    # ---- connections

    def admit(self, connection: Connection, transport: asyncio.Transport) -> Session | ReplyError:
        """A session for a new connection, or why there is none."""
        settings, default = self.config.settings, self.acl.users.default
        handle = transport.get_extra_info("socket")
        peer = peer_of(
            transport.get_extra_info("peername"),
            transport.get_extra_info("sockname"),
            settings.unixsocket if handle.family == socket.AF_UNIX else None,
        )
        reason = refusal(
            settings,
            self.counts.with_newcomer(self._clients_count) - 1,
            peer,
            default_needs_password=not default.no_password,
        )
        if reason is not None:
            self.counts.note(self._clients_count)
            self.statistics.connections_rejected += 1
            return ReplyError(reason)
        self.statistics.connections_received += 1
        tune(handle, settings.tcp_keepalive)
        session = Session(
            self.counts.next_id(),
            peer.address,
            peer.local_address,
            monotonic_ns(),
            authenticated=not self.acl.needs_login,
            file_descriptor=handle.fileno(),
            is_local=peer.is_local,
            is_unix=peer.is_unix,
        )
        session.is_restricted = not default.allows_everything
        session.refresh()
        self._connections[session.id] = connection
        return session

    @property
    def _clients_count(self) -> int:
        """Those of this process."""
        return len(self._connections) + len(self._listeners.handshakes)

    def _note_clients(self) -> None:
        """Let the other network processes know how many there are here."""
        self.counts.note(self._clients_count)

    def _has_room(self) -> bool:
        """Whether a client may begin a TLS handshake."""
        clients = self._clients_count
        has_room = self.counts.with_newcomer(clients) <= self.config.settings.maxclients
        if not has_room:
            self.counts.note(clients)
            self.statistics.connections_rejected += 1
        return has_room

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        session = getattr(connection, "session", None)
        if session is not None:
            session.is_closed = True
            if session.executing:
                self._departed = [session, *filter(_awaits_exec, self._departed)]
            self.exchange.forget(session)
            self.tracking.stop(session)
            self.monitors.remove(session)
            self.pauses.forget(connection)
            self.slow_readers.remove(connection)
            self._connections.pop(session.id, None)
            self._note_clients()
            if not self._connections:
                self._all_gone.set()

    def limits(self, session: Session) -> Limits:
        """What the client of `session` may send."""
        is_known = session.authenticated or not self.acl.needs_login
        return limits_for(self.config.settings, is_known=is_known)

    def refuse(self, session: Session, words: list[bytes]) -> ReplyError | None:
        """Why a command is switched off, or None."""
        if words[0].lower() != b"debug" or len(words) == 1:
            return None
        allowed = self.config.settings.enable_debug_command
        if allowed == "yes" or (allowed == "local" and session.is_local):
            return None
        return ReplyError(_DEBUG_REFUSAL)

    # ---- what storage tells

    def _break_watches(self, event: WatchBroken) -> None:
        for source in event.sources:
            connection = self._connections.get(source)
            if connection is not None:
                for watching in connection.session.watches:
                    watching.is_broken = True

    def _storage_lost(self, touched: Touched) -> None:
        """The storage runtime died: what it may have changed without a word counts as changed."""
        self._break_touched(touched)
        if self._losses is not None:
            self._losses.lost(touched, self.storage.waiting)
        self.tracking.forget_all()

    def _conclude_losses(self, touched: Touched) -> None:
        """As far as all network processes know."""
        self._break_touched(touched)
        self.storage.doubt(touched)

    def _break_touched(self, touched: Touched) -> None:
        for _, watching in self._watches():
            if any(touched.includes(db, key) for db, key in watching.keys):
                watching.is_broken = True

    def _storage_is_used(self) -> None:
        """From now on this process uses another storage runtime, as others may have begun to."""
        assert self._losses is not None, "there are others"
        self._losses.join()
        if self.tracking.prefixes:
            self._start(self._forget_what_was_missed())

    async def _forget_what_was_missed(self) -> None:
        """What others wrote before the storage runtime knew of prefixes, it told nobody."""
        for method, parameters in self.tracking.greeting():
            await tell_storage(self, method, parameters)
        self.tracking.forget_all()

    def _watches(self) -> list[tuple[int, Watching]]:
        """What is watched, with the number of the connection."""
        return [
            (session.id, watching)
            for session in (*self.sessions(), *self._departed)
            for watching in session.watches
            if watching.keys
        ]

    def _watched_keys(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """For a new storage runtime: who watches what, and whose transactions may not run."""
        watches = self._watches()
        if watches:
            keys = [(source, db, key) for source, watching in watches for db, key in watching.keys]
            broken = [source for source, watching in watches if watching.is_broken]
            yield "rewatch", {"keys": keys, "broken": broken}

    def _returned_runs(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """For a new storage runtime: whose runs are to be returned until they are sent again."""
        sources = [each.session.id for each in self._connections.values() if each.is_returning]
        if sources:
            yield "return_runs", {"sources": sources}

    # ---- what local commands ask for (ServerFacade)

    def sessions(self) -> Iterable[Session]:
        return [connection.session for connection in self._connections.values()]

    def buffers(self, session: Session) -> tuple[int, int]:
        return self._connections[session.id].buffered_bytes()

    def find_session(self, session_id: int) -> Session | None:
        connection = self._connections.get(session_id)
        return None if connection is None else connection.session

    def push(self, session_id: int, encoded: bytes) -> None:
        connection = self._connections.get(session_id)
        if connection is not None:
            connection.push(encoded)

    def behind_answers(self, session_id: int, action: Callable[[], None]) -> None:
        connection = self._connections.get(session_id)
        if connection is not None:
            connection.behind_answers(action)

    def flush_later(self, connection: Connection) -> None:
        """Let `connection` send what it gathers when this event-loop tick is over."""
        if not self._to_flush:
            asyncio.get_running_loop().call_soon(self._flush)
        self._to_flush.append(connection)

    def _flush(self) -> None:
        connections, self._to_flush = self._to_flush, []
        for connection in connections:
            connection.flush()

    def _push_behind(self, session_id: int, encoded: bytes) -> None:
        connection = self._connections.get(session_id)
        if connection is not None:
            connection.push_behind(encoded)

    def _push_held(self, session_id: int, encoded: bytes) -> None:
        connection = self._connections.get(session_id)
        if connection is not None:
            connection.push_held(encoded)

    def _subscribers_changed(self) -> None:
        """Tell the storage runtime at the end of this tick: scripts count their receivers."""
        asyncio.get_running_loop().call_soon(self._tell_subscribers)

    def _tell_subscribers(self) -> None:
        changes = self.broker.take_changes()
        if changes:
            self.storage.tell_in_order(SUBSCRIBERS, changes)

    def kill(self, session: Session) -> None:
        connection = self._connections.get(session.id)
        if connection is not None:
            connection.abort()

    def pause(self, timeout_ms: int, *, holds_all: bool) -> None:
        self.pauses.begin(timeout_ms, holds_all=holds_all)

    def unpause(self) -> None:
        self.pauses.end()

    async def query(self, method: str, parameters: dict[str, Any]) -> Any:
        return await self.storage.query(method, parameters)

    async def storage_facts(self, session: Session) -> dict[str, dict[str, Any]]:
        connection = self._connections.get(session.id)
        is_first = connection is None or not connection.is_owed_by_storage
        facts: dict[str, dict[str, Any]] = await self.storage.query(STATS, {}, is_urgent=is_first)
        return facts

    def reset_network_sections(self) -> None:
        self.storage.reset_statistics()
        self.lifecycle.reset_statistics()

    def network_sections(self) -> dict[str, dict[str, Any]]:
        return {
            "runtime": self.lifecycle.facts(),
            "channel": self.storage.facts(),
            **self._listeners.sections(),
        }

    def channel_times(self) -> dict[str, list[int]]:
        return self.storage.statistics.times()

    def request_shutdown(self) -> None:
        self._on_shutdown()

    # ---- settings

    def _patience_s(self) -> float:
        """How long a client waits for what may wait for the storage runtime."""
        return self.config.settings.request_timeout / 1000

    def _settings_changed(self, old: Settings, new: Settings) -> None:
        if old.loglevel != new.loglevel:
            set_level(new.loglevel)
        self.storage.configure(new)
        self.latency.configure(new)
        self.slow_readers.configure(new.client_output_buffer_limit)
        for connection in self._connections.values():
            connection.refresh_limits()
        self.storage.change_settings(changed_fields(old, new))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_storage(self, method: str, parameters: dict[str, Any]) -> None:
        try:
            await self.storage.query(method, parameters)
        except KiwiError as error:
            logger.warning("the storage runtime did not do %s: %s", method, error)


def _awaits_exec(session: Session) -> bool:
    return bool(session.executing)


def changed_fields(old: Settings, new: Settings) -> dict[str, Any]:
    """The fields of `new` that differ from `old`."""
    before, after = msgspec.structs.asdict(old), msgspec.structs.asdict(new)
    return {name: value for name, value in after.items() if value != before[name]}

"""The storage runtime: executes runs, answers queries, keeps the engine going (shell: one thread).

It is driven from outside, by `handle` for a request and `tick` for the time that passes: in dual
mode by `server.storage.process`, which reads the channel, in single mode by the event loop. Replies
leave through `deliver`, from this thread or from the log thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from kiwi_engine.channel.events import EVENT_RUN, Event, encode_event
from kiwi_engine.channel.frames import Query, ReceivedRequest, Request
from kiwi_engine.channel.numbering import owner_of
from kiwi_engine.clock import monotonic_ns, wall_ms
from kiwi_engine.commands.executor import Executor
from kiwi_engine.commit.group import PendingReply
from kiwi_engine.config.settings import Settings
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.from_settings import engine_settings
from kiwi_engine.errors import KiwiError, ReplyError
from kiwi_engine.keyspace.encoding import tally
from kiwi_engine.keyspace.keyspace import Keyspace
from kiwi_engine.resp import reply
from kiwi_engine.server.memory_release import release_memory
from kiwi_engine.server.storage.backup_service import BackupService
from kiwi_engine.server.storage.early_changes import EarlyChanges
from kiwi_engine.server.storage.facts import storage_facts
from kiwi_engine.server.storage.latency_spikes import StorageSpikes
from kiwi_engine.server.storage.network_silence import NetworkSilence
from kiwi_engine.server.storage.network_wishes import NetworkWishes
from kiwi_engine.server.storage.observer import StorageObserver
from kiwi_engine.server.storage.run_execution import RunExecution
from kiwi_engine.server.storage.script_watch import ScriptWatch
from kiwi_engine.server.storage.sending_order import SendingOrder
from kiwi_engine.server.storage.users import StorageUsers
from kiwi_engine.server.storage.watch_listener import WatchListener

Answer = tuple[int, str, Any]
# (replies as (run id, RESP bytes), answers); may be called from two threads.
Send = Callable[[list[tuple[int, bytes]], list[Answer]], None]

_EXPIRED_KEYS_A_STEP: Final = 200
# More, because those of a large hash cost little each, but finding where they begin does not.
_EXPIRED_FIELDS_A_STEP: Final = 1000
# A cycle removes keys, and then fields of hashes, for this long at most each; 10 cycles a second
# then take 10 % of the thread.
_CYCLE_BUDGET_NS: Final = 5_000_000
# A script or transaction is one record, which may have 1 GiB; its last write may be a large one.
_NESTED_BYTES_MAX: Final = 512 * 1024 * 1024
_RECLAIM_KEYS_A_CYCLE: Final = 2000


class StorageRuntime:
    """Owns the engine, the keyspace and the executor; call everything from one thread."""

    def __init__(self, settings: Settings, send: Send) -> None:
        self._settings = settings
        self._send = send
        self.engine = Engine.open(settings.dir, engine_settings(settings), tally, self._deliver)
        self.keyspace = Keyspace(self.engine.store, settings.databases)
        self._set_limits()
        self.engine.on_rebuilt = self.keyspace.reload
        self.executor = Executor(self.keyspace)
        self.executor.emit = self._emit
        self.executor.is_overfull = lambda: self.engine.store.group.bytes > _NESTED_BYTES_MAX
        self.spikes = StorageSpikes(self.executor.slowness, self._tell_at_once)
        self.spikes.configure(settings)
        self.observer = StorageObserver(self.keyspace, self._emit)
        self.observer.configure(settings.notify_keyspace_events)
        WatchListener(self.executor.watched, self.observer, self._emit)
        tracker = self.executor.tracker
        tracker.emit = self._emit
        tracker.keys.keys_max = settings.tracking_table_max_keys
        tracker.on_use = lambda is_used: self.observer.set_tracker(tracker if is_used else None)
        self.users = StorageUsers(self._emit)
        self.executor.permissions = self.users
        self.runs = RunExecution(self.engine, self.keyspace, self.executor, settings)
        self.runs.blocked.on_waiting = self._listen_for_waiters
        self.script_watch = ScriptWatch(
            self.executor, self.runs, send, self._tell_at_once, self._answer
        )
        self.script_watch.configure(settings)
        self.backup_service = BackupService(self.engine, lambda: self._settings)
        self._process_count = settings.network_threads
        self._stopping: set[int] = set()
        self._order = SendingOrder()
        self._early = EarlyChanges(lambda: self.observer.set_listener("early", None))
        if self._process_count > 1:
            self.observer.set_listener("early", self._early)
            self.runs.blocked.on_answer = self._order.served
        self._wishes = wishes = NetworkWishes(self.executor)
        # Kept by whoever reads the channel, where there is one.
        self.network_silence = NetworkSilence()
        self._next_cycle_ns = monotonic_ns()
        self._queries: dict[str, Callable[[dict[str, Any]], Any]] = {
            "ping": lambda parameters: True,
            "stats": self._stats,
            "config_set": self._config_set,
            "reset_statistics": self._reset_statistics,
            "collect": self._collect,
            "save": self.backup_service.save,
            "save_facts": lambda parameters: self.backup_service.save_facts(),
            "backup_start": self.backup_service.start,
            "backup_status": self.backup_service.status,
            "backup_cancel": self.backup_service.cancel,
            "rewatch": self._rewatch,
            "unwatch": self._unwatch,
            "return_runs": lambda parameters: self.runs.return_until_resumed(parameters["sources"]),
            "release_memory": lambda parameters: release_memory(),
            "unblock": self._unblock,
            "durability": self._durability,
            "acl_users": self.users.change,
        }
        # Each network process asks them for itself; they are told its number.
        self._queries_of_process: dict[str, Callable[[int, dict[str, Any]], Any]] = {
            "subscribers": wishes.subscribers,
            "tracking": wishes.tracking,
            "monitor_scripts": wishes.monitor_scripts,
            "finish_runs": lambda process, parameters: self._finish_runs(process),
        }

    def handle(self, request: Request | ReceivedRequest) -> None:
        """Execute the runs of one frame as part of a group, then answer its queries."""
        self._catch_up()
        self._handle(request)

    def _catch_up(self) -> None:
        """Handle what arrived while a slow script ran, in order, before what came later."""
        while later := self.script_watch.take_later():
            for request in later:
                self._handle(request)

    def answer(self, queries: Iterable[Query]) -> None:
        """Carry out queries, and tell their results."""
        self._send([], [self._answer(query) for query in queries])

    def _handle(self, request: Request | ReceivedRequest) -> None:
        if request.urgent:
            self.answer(request.urgent)
        for source in request.gone:
            self.runs.forget(source)
        if request.runs:
            self.runs.execute(request.runs)
        for source in request.gone:
            # Behind its last commands, which have just been remembered.
            self.runs.forget_keys(source)
        if request.queries:
            self.answer(request.queries)
        for process in request.ended:
            self._forget_process(process)

    def _forget_process(self, process: int) -> None:
        """A network process has ended, and its connections with it."""
        self._wishes.forget(process)
        self._stopping.discard(process)
        self.runs.forget_all(lambda source: self._owner(source) == process)

    def _owner(self, identity: int) -> int:
        return owner_of(identity, self._process_count)

    def tick(self) -> None:
        """To be called at least every few milliseconds, whether or not there are requests."""
        self._catch_up()
        self.engine.maintain()
        self.runs.maintain()
        self.backup_service.maintain()
        self.spikes.look_at_syncs(self.engine.pipeline.statistics.sync)
        now_ns = monotonic_ns()
        if now_ns >= self._next_cycle_ns:
            self._next_cycle_ns = now_ns + 1_000_000_000 // self._settings.hz
            self.runs.cycle()
            self._background_cycle()

    def close(self) -> None:
        """Commit, sync and drain everything accepted; release the directory."""
        self.runs.finish(lambda source: True)
        self.engine.close()

    def leave(self) -> None:
        """Commit and sync everything accepted, for a process that ends right now."""
        self.runs.finish(lambda source: True)
        self.engine.leave()

    def _background_cycle(self) -> None:
        """Active expiry and reclaiming: ordinary writes, so they wait while writes have to."""
        if self.engine.refusal is not None or self.engine.write_delay_s() > 0:
            return
        self.engine.begin()
        tracker = self.executor.tracker
        tracker.by = 0
        try:
            tracker.maintain()
            with self.spikes.expire_cycle():
                self._expire_for_a_while(self.keyspace.expire_cycle, _EXPIRED_KEYS_A_STEP)
                self._expire_for_a_while(self.keyspace.expire_fields, _EXPIRED_FIELDS_A_STEP)
            self.keyspace.reclaim(_RECLAIM_KEYS_A_CYCLE)
            self.runs.blocked.serve(wall_ms())
        finally:
            # Also after a failed read: what was changed so far is seen, so it must be logged.
            self.engine.end()

    def _expire_for_a_while(self, step: Callable[[int, int], int], limit: int) -> None:
        deadline_ns = monotonic_ns() + _CYCLE_BUDGET_NS
        while monotonic_ns() < deadline_ns and not self.engine.group_is_full():
            if step(wall_ms(), limit) < limit:
                break

    def _deliver(self, replies: list[PendingReply], error: ReplyError | None) -> None:
        if error is None:
            self._send_in_order([(run, blob) for run, blob, _ in replies])
            return
        line = reply.error(error.text)
        # Events tell of what has not happened.
        failed = [(abs(run), line * count) for run, _, count in replies if run != EVENT_RUN]
        self._send(failed, [])

    def _send_in_order(self, replies: list[tuple[int, bytes]]) -> None:
        if self._process_count > 1:
            first, replies = self._order.split(replies)
            self._send(first, [])
        self._send(replies, [])

    def _emit(self, event: Event) -> None:
        """Tell the network runtime, once what has been done so far is durable."""
        self.engine.answer(EVENT_RUN, encode_event(event), 0)

    def _tell_at_once(self, event: Event) -> None:
        self._send([(EVENT_RUN, encode_event(event))], [])

    # ---- queries of the network runtime

    def _answer(self, query: Query) -> Answer:
        try:
            if (of_process := self._queries_of_process.get(query.method)) is not None:
                return query.id, "", of_process(self._owner(query.id), query.parameters)
            if (method := self._queries.get(query.method)) is not None:
                return query.id, "", method(query.parameters)
        except KiwiError as error:
            return query.id, str(error), None
        return query.id, f"no query is called {query.method}", None

    def _finish_runs(self, process: int) -> None:
        """A network process stops; usually all of them do, but not in the same moment."""
        self._stopping.add(process)
        self.runs.finish(lambda source: self._owner(source) in self._stopping)

    def _stats(self, parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return storage_facts(self)

    def _config_set(self, parameters: dict[str, Any]) -> None:
        """`parameters` are fields of `Settings` with their new, validated values."""
        self._settings = msgspec.structs.replace(self._settings, **parameters)
        self._set_limits()
        self.engine.configure(engine_settings(self._settings))
        self.runs.configure(self._settings)
        self.executor.tracker.keys.keys_max = self._settings.tracking_table_max_keys
        self.spikes.configure(self._settings)
        self.script_watch.configure(self._settings)
        self.observer.configure(self._settings.notify_keyspace_events)

    def _set_limits(self) -> None:
        self.keyspace.value_bytes_max = self._settings.proto_max_bulk_len
        limits = self.keyspace.limits
        for name in limits.__struct_fields__:
            setattr(limits, name, getattr(self._settings, name))

    def _rewatch(self, parameters: dict[str, Any]) -> None:
        """`keys`: (source, database, key) watched before a restart; `broken`: sources."""
        watched = self.executor.watched
        for source, db, key in parameters["keys"]:
            watched.rewatch(source, db, key, wall_ms())
            if self._process_count > 1 and self._early.may_include(db, key):
                watched.broken.add(source)
        watched.broken.update(parameters["broken"])

    def _unwatch(self, parameters: dict[str, Any]) -> None:
        """`sources`: connections whose EXEC was answered without getting here."""
        for source in parameters["sources"]:
            self.executor.watched.forget(source)

    def _listen_for_waiters(self) -> None:
        """Hear of changed keys as long as somebody waits for any."""
        waiting = self.runs.blocked.runs
        self.observer.set_listener("ready", waiting or None)

    def _unblock(self, parameters: dict[str, Any]) -> bool:
        """`source` and `with_error`, see `BlockedExecution.unblock`."""
        return self.runs.blocked.unblock(parameters["source"], with_error=parameters["with_error"])

    def _durability(self, parameters: dict[str, Any]) -> dict[str, int]:
        """How far the log is written and synced, as LSNs; with `sync` it is synced soon."""
        pipeline = self.engine.pipeline
        if parameters["sync"] and pipeline.durable_lsn < pipeline.written_lsn:
            pipeline.want_sync()
        return {"written": pipeline.written_lsn, "durable": pipeline.durable_lsn}

    def _collect(self, parameters: dict[str, Any]) -> None:
        """`threshold`: percent of a value-log segment that must be dead."""
        self.engine.collector.collect(parameters["threshold"] / 100)

    def _reset_statistics(self, parameters: dict[str, Any]) -> None:
        self.executor.reset_statistics()
        self.runs.reset_statistics()
        self.keyspace.expiry.expired_count = 0
        self.keyspace.expiry.expired_fields = 0
        self.engine.reset_statistics()
        self.network_silence.reset()

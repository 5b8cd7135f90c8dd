"""The storage runtime: executes runs, answers queries, keeps the engine going (shell: one thread).

It is driven from outside, by `handle` for a request and `tick` for the time that passes: in dual
mode by `server.storage_process`, which reads the channel, in single mode by the event loop. Replies
leave through `deliver`, from this thread or from the log thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from kiwi_engine.channel.frames import Query, ReceivedRequest, Request
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
from kiwi_engine.server.backup_service import BackupService
from kiwi_engine.server.run_execution import RunExecution
from kiwi_engine.server.storage_facts import storage_facts

Answer = tuple[int, str, Any]
# (replies as (run id, RESP bytes), answers); may be called from two threads.
Send = Callable[[list[tuple[int, bytes]], list[Answer]], None]

_EXPIRED_KEYS_A_STEP: Final = 200
# More, because those of a large hash cost little each, but finding where they begin does not.
_EXPIRED_FIELDS_A_STEP: Final = 1000
# A cycle removes keys, and then fields of hashes, for this long at most each; 10 cycles a second
# then take 10 % of the thread.
_CYCLE_BUDGET_NS: Final = 5_000_000
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
        self.runs = RunExecution(self.engine, self.keyspace, self.executor, settings)
        self.backup_service = BackupService(self.engine, lambda: self._settings)
        self._next_cycle_ns = monotonic_ns()
        self._queries: dict[str, Callable[[dict[str, Any]], Any]] = {
            "ping": lambda parameters: True,
            "stats": self._stats,
            "config_set": self._config_set,
            "reset_statistics": self._reset_statistics,
            "finish_runs": lambda parameters: self.runs.finish(),
            "collect": self._collect,
            "save": self.backup_service.save,
            "save_facts": lambda parameters: self.backup_service.save_facts(),
            "backup_start": self.backup_service.start,
            "backup_status": self.backup_service.status,
            "backup_cancel": self.backup_service.cancel,
        }

    def handle(self, request: Request | ReceivedRequest) -> None:
        """Execute the runs of one frame as part of a group, then answer its queries."""
        if request.runs:
            self.runs.execute(request.runs)
        if request.queries:
            self._send([], [self._answer(query) for query in request.queries])

    def tick(self) -> None:
        """To be called at least every few milliseconds, whether or not there are requests."""
        self.engine.maintain()
        self.runs.maintain()
        self.backup_service.maintain()
        now_ns = monotonic_ns()
        if now_ns >= self._next_cycle_ns:
            self._next_cycle_ns = now_ns + 1_000_000_000 // self._settings.hz
            self.runs.cycle()
            self._background_cycle()

    def close(self) -> None:
        """Commit, sync and drain everything accepted; release the directory."""
        self.runs.finish()
        self.engine.close()

    def _background_cycle(self) -> None:
        """Active expiry and reclaiming: ordinary writes, so they wait while writes have to."""
        if self.engine.refusal is not None or self.engine.write_delay_s() > 0:
            return
        self.engine.begin()
        try:
            self._expire_for_a_while(self.keyspace.expire_cycle, _EXPIRED_KEYS_A_STEP)
            self._expire_for_a_while(self.keyspace.expire_fields, _EXPIRED_FIELDS_A_STEP)
            self.keyspace.reclaim(_RECLAIM_KEYS_A_CYCLE)
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
            self._send([(run, blob) for run, blob, _ in replies], [])
            return
        line = reply.error(error.text)
        self._send([(run, line * count) for run, _, count in replies], [])

    # ---- queries of the network runtime

    def _answer(self, query: Query) -> Answer:
        method = self._queries.get(query.method)
        if method is None:
            return query.id, f"no query is called {query.method}", None
        try:
            return query.id, "", method(query.parameters)
        except KiwiError as error:
            return query.id, str(error), None

    def _stats(self, parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return storage_facts(self)

    def _config_set(self, parameters: dict[str, Any]) -> None:
        """`parameters` are fields of `Settings` with their new, validated values."""
        self._settings = msgspec.structs.replace(self._settings, **parameters)
        self._set_limits()
        self.engine.configure(engine_settings(self._settings))
        self.runs.configure(self._settings)

    def _set_limits(self) -> None:
        self.keyspace.value_bytes_max = self._settings.proto_max_bulk_len
        limits = self.keyspace.limits
        for name in limits.__struct_fields__:
            setattr(limits, name, getattr(self._settings, name))

    def _collect(self, parameters: dict[str, Any]) -> None:
        """`threshold`: percent of a value-log segment that must be dead."""
        self.engine.collector.collect(parameters["threshold"] / 100)

    def _reset_statistics(self, parameters: dict[str, Any]) -> None:
        self.executor.reset_statistics()
        self.runs.reset_statistics()
        self.keyspace.expiry.expired_count = 0
        self.keyspace.expiry.expired_fields = 0
        self.engine.reset_statistics()

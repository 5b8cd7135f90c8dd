"""The embedded API for asyncio (glue: an event loop before, threads behind).

    async with kiwi_engine.aio.open("data") as engine:
        await engine.put(b"key", b"value")

The names and promises are those of `kiwi_engine.open`, and what may wait is awaited (for the one
exception, see `embedded.present.Present.get_now`). Everything of one engine belongs to the loop
that opened it.

**Writes** of all coroutines queue, and two threads take turns: while they wait for the syncs of
their groups, what queues meanwhile becomes the next group. Writes that do not await each other may
be made in any order. **Reads** that find their key in memory are answered at once; others run in a
small pool of threads.

**Cancellation** gives up waiting, not the write: one whose `await` was cancelled may still be made.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Final, Generic, Protocol, TypeVar, Unpack

from kiwi_engine.embedded import engine as embedded
from kiwi_engine.embedded.batch import WriteBatch
from kiwi_engine.embedded.keys import BytesLike, stored_key
from kiwi_engine.embedded.options import Options
from kiwi_engine.embedded.reader import Reader
from kiwi_engine.embedded.snapshot import Snapshot as BlockingSnapshot
from kiwi_engine.embedded.statistics import Statistics
from kiwi_engine.embedded.transaction import Transaction as BlockingTransaction
from kiwi_engine.engine.backup.job import BackupReport
from kiwi_engine.engine.store_protocol import Unknown
from kiwi_engine.errors import EngineClosedError, TransactionConflictError

_READ_THREADS: Final = 8
_WRITE_THREADS: Final = 2
_SCAN_ROWS: Final = 256
# Queued writes that share a group; a larger single write goes alone.
_GROUP_BYTES_MAX: Final = 16 * 1024 * 1024

Result = TypeVar("Result")


class _Threads:
    """Where one engine's calls wait; owned by its loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_ended = False
        self._pool = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="kiwi-aio")

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """`function(*arguments)` in a thread."""
        self.check_open()
        return await self.loop.run_in_executor(self._pool, function, *arguments)

    async def acquire(
        self, function: Callable[[], Result], undo: Callable[[Result], object]
    ) -> Result:
        """Like `run`; if the wait is cancelled, `undo` is called with what comes of it."""
        self.check_open()
        future = self.loop.run_in_executor(self._pool, function)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda ended: self._undo(ended, undo))
            raise

    def check_open(self) -> None:
        """Raise `EngineClosedError` after `end`."""
        if self.is_ended:
            raise EngineClosedError("the engine is closed")

    def end(self) -> None:
        """No more calls."""
        self.is_ended = True
        self._pool.shutdown(wait=False)

    def _undo(self, ended: asyncio.Future[Result], undo: Callable[[Result], object]) -> None:
        # A closed engine has let go of everything already.
        if not ended.cancelled() and ended.exception() is None and not self.is_ended:
            self._pool.submit(undo, ended.result())


class _Writer:
    """The queue of writes; owned by the loop."""

    def __init__(self, engine: embedded.Engine, threads: _Threads) -> None:
        self._engine = engine
        self._threads = threads
        self._loop = threads.loop
        self._pool = ThreadPoolExecutor(_WRITE_THREADS, thread_name_prefix="kiwi-aio-write")
        self._queue: deque[tuple[WriteBatch, asyncio.Future[None]]] = deque()
        self._groups_under_way = 0

    def write(self, batch: WriteBatch) -> asyncio.Future[None]:
        """Queue a write; the future ends with it."""
        self._threads.check_open()
        future: asyncio.Future[None] = self._loop.create_future()
        if not self._queue:
            # Not at once: other coroutines that are ready to run may have writes, too.
            self._loop.call_soon(self._start)
        self._queue.append((batch, future))
        return future

    def end(self) -> None:
        """No more writes."""
        self._pool.shutdown(wait=False)

    def _start(self) -> None:
        """Hand a group to each thread that is free."""
        if self._threads.is_ended:
            self._refuse_queued()
        while self._queue and self._groups_under_way < _WRITE_THREADS:
            self._groups_under_way += 1
            group, futures = self._take_group()
            done = self._loop.run_in_executor(self._pool, self._engine.write, group)
            done.add_done_callback(partial(self._written, futures))

    def _refuse_queued(self) -> None:
        """The engine was closed before their turn came."""
        while self._queue:
            _, future = self._queue.popleft()
            if not future.done():
                future.set_exception(EngineClosedError("the engine is closed"))

    def _take_group(self) -> tuple[WriteBatch, list[asyncio.Future[None]]]:
        group = WriteBatch()
        futures: list[asyncio.Future[None]] = []
        while self._queue and (not futures or group.size < _GROUP_BYTES_MAX):
            batch, future = self._queue.popleft()
            group.extend(batch)
            futures.append(future)
        return group, futures

    def _written(self, futures: list[asyncio.Future[None]], done: asyncio.Future[None]) -> None:
        self._groups_under_way -= 1
        self._start()
        error = done.exception()
        for future in futures:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


class _AsyncReader:
    """The reads that engines, snapshots and transactions have in common."""

    _threads: _Threads
    _reader: Reader

    async def get(self, key: BytesLike) -> bytes | None:
        """The value, or None."""
        return await self._threads.run(self._reader.get, key)

    async def get_many(self, keys: Iterable[BytesLike]) -> list[bytes | None]:
        """The values of `keys` at one moment, in their order."""
        return await self._threads.run(self._reader.get_many, list(keys))

    def scan(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
        reverse: bool = False,
    ) -> AsyncIterator[tuple[bytes, bytes]]:
        """(key, value) in order, as `Reader.scan`; for `async for`."""
        return self._walk(self._reader.scan(begin, end, prefix=prefix, reverse=reverse))

    def keys(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
        reverse: bool = False,
    ) -> AsyncIterator[bytes]:
        """The keys alone."""
        return self._walk(self._reader.keys(begin, end, prefix=prefix, reverse=reverse))

    async def _walk(self, rows: Iterator[Result]) -> AsyncIterator[Result]:
        while True:
            # A walk that is dropped here lets go of its view by itself.
            chunk: list[Result] = await self._threads.run(list, islice(rows, _SCAN_ROWS))
            for row in chunk:
                yield row
            if len(chunk) < _SCAN_ROWS:
                return


class _Closing(Protocol):
    async def close(self) -> None: ...


Opened = TypeVar("Opened", bound=_Closing)


class _Opening(Generic[Opened]):
    """To be awaited, or used with `async with`."""

    def __init__(self, open_it: Callable[[], Awaitable[Opened]]) -> None:
        self._open = open_it
        self._opened: Opened | None = None

    def __await__(self) -> Generator[Any, None, Opened]:
        return self._open().__await__()

    async def __aenter__(self) -> Opened:
        self._opened = await self._open()
        return self._opened

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._opened is not None
        await self._opened.close()


class Snapshot(_AsyncReader):
    """See `kiwi_engine.Snapshot`."""

    def __init__(self, threads: _Threads, snapshot: BlockingSnapshot) -> None:
        self._threads = threads
        self._reader = self._snapshot = snapshot

    async def close(self) -> None:
        """Let go of files and memory."""
        await self._threads.run(self._snapshot.close)


class Transaction(_AsyncReader):
    """See `kiwi_engine.Transaction`. Writes are only collected, so they are not awaited."""

    def __init__(self, threads: _Threads, transaction: BlockingTransaction) -> None:
        self._threads = threads
        self._reader = self._transaction = transaction
        self.put = transaction.put
        self.delete = transaction.delete
        self.delete_range = transaction.delete_range

    async def rollback(self) -> None:
        """Give up."""
        await self._threads.run(self._transaction.rollback)

    async def __aenter__(self) -> Transaction:
        transaction = self._transaction
        await self._threads.acquire(transaction.__enter__, lambda begun: begun.rollback())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Cancelled or not, the thread ends the transaction.
        await self._threads.run(self._transaction.__exit__, kind, error, trace)


class Engine(_AsyncReader):
    """See `kiwi_engine.Engine`."""

    def __init__(self, threads: _Threads, engine: embedded.Engine) -> None:
        """Use `open`."""
        self._threads = threads
        self._reader = self._engine = engine
        self._writer = _Writer(engine, threads)

    async def get(self, key: BytesLike) -> bytes | None:
        """The value, or None."""
        stored = stored_key(key)
        value = self._engine.get_now(stored)
        if isinstance(value, Unknown):
            return await self._threads.run(self._engine.get, key)
        return value

    async def put(self, key: BytesLike, value: BytesLike) -> None:
        """Set a value."""
        batch = WriteBatch()
        batch.put(key, value)
        await self._writer.write(batch)

    async def delete(self, key: BytesLike) -> None:
        """Remove a key, whether or not it is there."""
        batch = WriteBatch()
        batch.delete(key)
        await self._writer.write(batch)

    async def delete_range(
        self,
        begin: BytesLike | None = None,
        end: BytesLike | None = None,
        *,
        prefix: BytesLike | None = None,
    ) -> None:
        """Remove all keys in [begin, end), or those that begin with `prefix`."""
        batch = WriteBatch()
        batch.delete_range(begin, end, prefix=prefix)
        await self._writer.write(batch)

    async def write(self, batch: WriteBatch) -> None:
        """Make all writes of a batch, or none; do not change it before that is done."""
        batch.check_size()
        await self._writer.write(batch)

    def snapshot(self) -> _Opening[Snapshot]:
        """A consistent view: `async with engine.snapshot() as snapshot`."""

        async def take() -> Snapshot:
            taken = await self._threads.acquire(self._engine.snapshot, lambda late: late.close())
            return Snapshot(self._threads, taken)

        return _Opening(take)

    def transaction(self) -> Transaction:
        """To be used with `async with`."""
        return Transaction(self._threads, self._engine.transaction())

    async def transact(
        self,
        function: Callable[[Transaction], Awaitable[Result]],
        attempts: int = embedded.ATTEMPTS,
    ) -> Result:
        """Await `function` with a transaction, again after each conflict; see `Engine.transact`."""
        for _ in range(attempts - 1):
            try:
                return await self._transact_once(function)
            except TransactionConflictError:
                pass
        return await self._transact_once(function)

    async def _transact_once(self, function: Callable[[Transaction], Awaitable[Result]]) -> Result:
        async with self.transaction() as transaction:
            return await function(transaction)

    async def count(self) -> int:
        """How many keys there are; exact."""
        return await self._threads.run(self._engine.count)

    async def sync(self) -> None:
        """Return when everything written so far is on the device."""
        await self._threads.run(self._engine.sync)

    async def flush(self) -> None:
        """Bring everything written so far into the index, and that to disk."""
        await self._threads.run(self._engine.flush)

    async def collect(self, share: float = 0.1) -> int:
        """Collect the garbage of the value log now; the bytes of disk that were freed."""
        return await self._threads.run(self._engine.collect, share)

    async def backup(
        self, target: str | os.PathLike[str], *, incremental: bool = False
    ) -> BackupReport:
        """Make a backup in the directory `target`."""
        return await self._threads.run(
            partial(self._engine.backup, target, incremental=incremental)
        )

    async def statistics(self) -> Statistics:
        """What it has done, and what it holds."""
        return await self._threads.run(self._engine.statistics)

    async def close(self) -> None:
        """Commit, sync and drain everything; release the directory. Closing twice is harmless."""
        if not self._threads.is_ended:
            await self._threads.run(self._engine.close)
            self._writer.end()
            self._threads.end()


def open(path: str | os.PathLike[str], **options: Unpack[Options]) -> _Opening[Engine]:  # noqa: A001
    """Like `kiwi_engine.open`; to be awaited, or used with `async with`."""

    async def open_engine() -> Engine:
        threads = _Threads()
        try:
            opened = await threads.acquire(
                lambda: embedded.Engine(path, options), lambda late: late.close()
            )
        except BaseException:
            threads.end()
            raise
        return Engine(threads, opened)

    return _Opening(open_engine)

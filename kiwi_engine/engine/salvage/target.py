"""Writing the new directory of a salvage, with an ordinary engine (shell; one thread).

Everything goes through the log, the value log and the drains of that engine, so its counters are
exact and its directory is like any other. A key whose value could not be read is deleted, and
remembered under a key of the engine's own until a later record brings the key back or `lost_keys`
lists it: so memory stays bounded however many are lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import msgspec

from kiwi_engine.commit.changes import Changes
from kiwi_engine.commit.group import Entry
from kiwi_engine.commit.policy import BatchLimits
from kiwi_engine.engine.engine import Engine
from kiwi_engine.engine.salvage.report import LostElements, LostKey
from kiwi_engine.engine.settings import EngineSettings
from kiwi_engine.engine.store_protocol import Store
from kiwi_engine.engine.stored import decode_stored
from kiwi_engine.errors import CorruptionError
from kiwi_engine.index.settings import MEBIBYTE, IndexSettings
from kiwi_engine.vlog.format import VLOG, decode_pointer
from kiwi_engine.vlog.reader import ValueLogReader

# Nobody waits for replies: large groups, and syncs only where a drain needs one.
SETTINGS: Final = EngineSettings(
    sync_mode="no",
    batch=BatchLimits(10_000, 8 * MEBIBYTE, 0),
    pending_bytes_max=32 * MEBIBYTE,
    drain_bytes_max=16 * MEBIBYTE,
    wal_retained_bytes_max=128 * MEBIBYTE,
    clean_cache_bytes=0,
    index=IndexSettings(block_cache_bytes=64 * MEBIBYTE),
)
# Keys that begin with 0x00 belong to the engine; the keys of the keyspace end before 0xff.
_OWN_END: Final = b"\x01"
_KEYS_END: Final = b"\xff"
_LOST: Final = b"\x00lost/"
_LOST_END: Final = b"\x00lost0"
_SLICE_KEYS: Final = 10_000


class _Loss(msgspec.Struct, frozen=True, array_like=True):
    """Where the value of a lost key should be, and what is wrong there."""

    path: str
    offset: int
    reason: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Loss).decode


class SalvageTarget:
    """A new directory, open. Values of the old one are read through `values`, from `directory`.

    `has_lost`: whether any value could not be read so far, be it that the log brought it back.
    Trouble with the new directory leaves every method as `ReplyError` (the disk is full),
    `IndexFailedError` or `OSError`; it cannot be used then.
    """

    def __init__(self, engine: Engine, values: ValueLogReader, directory: str) -> None:
        self._engine = engine
        self._store = engine.store
        self._values = values
        self._directory = directory
        self.has_lost = False
        self._begin()

    def add_stored(self, key: bytes, stored: bytes) -> None:
        """Take over an entry of the old index, unless it is one of the engine's own."""
        if key < _OWN_END:
            return
        try:
            entry = decode_stored(stored)
        except CorruptionError as damage:
            self._lose(key, _Loss(damage.path, damage.offset, damage.reason))
        else:
            self._set(key, entry)

    def apply(self, changes: Changes) -> None:
        """Take over one record of the old log."""
        for begin, end in changes.ranges:
            self._delete_range(begin, end)
        for key, entry in changes.entries.items():
            if key >= _OWN_END:
                self._set(key, entry)

    def derive(self, derived: Callable[[bytes, bytes], tuple[tuple[bytes, bytes], ...]]) -> None:
        """Add what the present entries imply (see `KeyRules.derived`)."""
        begin = _OWN_END
        while True:
            rows = list(islice(self._store.range(begin, _KEYS_END), _SLICE_KEYS))
            for key, head in rows:
                for derived_key, value in derived(key, head):
                    self._put(derived_key, value)
            if len(rows) < _SLICE_KEYS:
                return
            begin = rows[-1][0] + b"\x00"

    def mend(
        self, mend: Callable[[Store, Callable[[], None]], Iterator[LostElements]]
    ) -> Iterator[LostElements]:
        """Make values of several entries whole (see `KeyRules.mend`); those that lost some."""
        return mend(self._store, self._count)

    def lost_keys(self, describe: Callable[[bytes], str]) -> Iterator[LostKey]:
        """The keys whose values could not be read, in order. Write nothing meanwhile."""
        if not self.has_lost:
            return
        for marker, _ in self._store.range(_LOST, _LOST_END):
            stored = self._store.get(marker)
            assert stored is not None, "it was in the range just now"
            key, loss = marker[len(_LOST) :], _decode(stored)
            yield LostKey(
                key=key.hex(),
                meaning=describe(key),
                path=loss.path,
                offset=loss.offset,
                reason=loss.reason,
            )

    def finish(self) -> dict[bytes, int]:
        """Forget the lost keys and make everything durable; returns the counters. Then `close`."""
        if self.has_lost:
            self._store.delete_range(_LOST, _LOST_END)
        self._engine.end()
        self._engine.pipeline.wait_idle()
        self._refuse_failed()
        return dict(self._store.counts())

    def close(self) -> None:
        """Drain, flush and release the new directory."""
        self._engine.close()
        self._refuse_failed()

    def _set(self, key: bytes, entry: Entry) -> None:
        if isinstance(entry, bytes):
            self._put(key, entry)
        elif entry is None:
            self._store.delete(key)
            self._wrote(key)
        else:
            pointer = decode_pointer(entry.pointer)
            path = VLOG.path(self._directory, pointer.segment)
            try:
                value = self._values.read(key, pointer)
            except CorruptionError as damage:
                self._lose(key, _Loss(path, pointer.offset, damage.reason))
            except OSError as failure:
                self._lose(key, _Loss(path, pointer.offset, str(failure)))
            else:
                self._put(key, value)

    def _put(self, key: bytes, value: bytes) -> None:
        self._store.put(key, value)
        self._wrote(key)

    def _wrote(self, key: bytes) -> None:
        if self.has_lost:
            self._store.delete(_LOST + key)
        self._count()

    def _lose(self, key: bytes, loss: _Loss) -> None:
        self.has_lost = True
        self._store.delete(key)
        self._store.put(_LOST + key, _encode(loss))
        self._count()

    def _delete_range(self, begin: bytes, end: bytes) -> None:
        # Ranges of the engine's own keys come from an earlier salvage of the old directory.
        if end <= _OWN_END:
            return
        self._store.delete_range(begin, end)
        if self.has_lost:
            self._store.delete_range(_LOST + begin, _LOST + end)
        self._count()

    def _count(self) -> None:
        """One more change; ends the group when it is full."""
        self._store.group.requests += 1
        if self._engine.group_is_full():
            self._engine.end()
            self._engine.maintain()
            self._begin()

    def _begin(self) -> None:
        self._engine.begin()
        self._refuse_failed()

    def _refuse_failed(self) -> None:
        if self._engine.refusal is not None:
            raise self._engine.refusal

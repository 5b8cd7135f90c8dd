"""Commit log and value log on a crashable disk, driven the way the engine drives them.

`Logs` keeps what was submitted and what was acknowledged beside the real logs, so that any state
that a crash may leave can be judged: see `recover_and_judge`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import msgspec

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import Corruption, TornTail
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog.format import decode_pointer, encode_pointer
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter
from kiwi_engine.wal.format import Record
from kiwi_engine.wal.reader import LogPosition, LogReader
from kiwi_engine.wal.repair import repair_tail
from kiwi_engine.wal.settings import LogSettings
from kiwi_engine.wal.writer import LogWriter

WAL: Final = "/data/wal"
VALUES: Final = "/data/values"
LARGE_BYTES: Final = 48

Entries = list[tuple[bytes, bytes]]


class LostError(AssertionError):
    """A promise was broken; the message says which."""


class Shape(msgspec.Struct, frozen=True):
    """How a run behaves. `sync_share` 1.0 is `appendfsync always`.

    `values_first`: the value log is synced before the record is written, as the engine does it, so
    that no record can ever outlive what it points to. False is a mistake to be found.
    """

    segment_bytes: int
    value_segment_bytes: int
    sync_share: float
    equal_sizes: bool
    values_first: bool = True

    @classmethod
    def choose(cls, random: Random) -> Shape:
        return cls(
            segment_bytes=random.choice([64, 128, 200, 256]),
            value_segment_bytes=random.choice([100, 400]),
            sync_share=random.choice([1.0, 1.0, 0.3]),
            equal_sizes=random.random() < 0.3,
        )


def make_directories(fs: FileSystem) -> None:
    if not fs.exists(VALUES):
        for path in ("/data", WAL, VALUES):
            fs.make_directory(path)
        fs.sync_directory("/data")
        fs.sync_directory("/")


class Logs:
    """One process' life. `submitted` maps LSNs to entries; `acked` and `released` are LSNs.

    What is released is safe in the index, which is not part of this model.
    """

    def __init__(
        self, fs: CrashFs, shape: Shape, submitted: dict[int, Entries], released: int
    ) -> None:
        self.fs = fs
        self.shape = shape
        self.submitted = submitted
        # Before anything is read: it has the device, not the page cache, answer for the values.
        values = ValueLogSettings(shape.value_segment_bytes, allocate_bytes=90)
        self.values = ValueLogWriter.open(fs, VALUES, values)
        position, self.found = recover(fs)
        position = position.raised_to(released + 1)
        self.acked = position.next_lsn - 1
        self.released = released
        for lsn in [lsn for lsn in submitted if lsn >= position.next_lsn]:
            del submitted[lsn]
        self.log = LogWriter.open(
            fs, WAL, LogSettings(shape.segment_bytes, recycled_max=2, zero_slice_bytes=70), position
        )

    def step(self, random: Random) -> None:
        """One group, or some background work."""
        choice = random.random()
        if choice < 0.12:
            if self.log.needs_segment:
                self.log.prepare_segment()
        elif choice < 0.32:
            self.released = max(self.released, self.acked - random.randint(0, 4))
            self.log.release(self.released)
        else:
            self.commit(self._some_entries(random), random.random() < self.shape.sync_share)

    def commit(self, entries: Entries, sync: bool) -> None:
        lsn = self.log.next_lsn
        self.submitted[lsn] = entries
        large = [(key, value) for key, value in entries if len(value) >= LARGE_BYTES]
        pointers = iter(self.values.append(large, lsn) if large else [])
        if self.shape.values_first:
            self.values.sync()
        rows = [
            (key, encode_pointer(next(pointers)), True)
            if len(value) >= LARGE_BYTES
            else (key, value, False)
            for key, value in entries
        ]
        assert self.log.append(msgspec.msgpack.encode(rows)) == lsn
        if sync:
            self.sync()

    def sync(self) -> None:
        self.values.sync()
        self.log.sync()
        self.acked = self.log.synced_lsn

    def close(self) -> None:
        self.sync()
        self.log.close()
        self.values.close()

    def _some_entries(self, random: Random) -> Entries:
        if self.shape.equal_sizes:
            return [(b"k", random.randbytes(12))]
        sizes = [random.choice([0, 3, 20, 47, 48, 90, 130]) for _ in range(random.randint(1, 3))]
        return [(b"k%d" % random.randrange(9), _value(random, size)) for size in sizes]


def _value(random: Random, size: int) -> bytes:
    return random.randbytes(size) if random.random() < 0.7 else b"z" * size


def recover(fs: FileSystem) -> tuple[LogPosition, dict[int, Entries]]:
    """What the engine's recovery does: read, judge, repair.

    Returns where the log goes on and the entries of each record.
    """
    reader = LogReader(fs, WAL)
    records = list(reader.records())
    if isinstance(reader.ending, Corruption):
        raise LostError(f"intact logs are called corrupt: {reader.ending}")
    position = reader.position
    assert position is not None
    if isinstance(reader.ending, TornTail):
        repair_tail(fs, reader.ending.path, reader.ending.offset)
    values = ValueLogReader(fs, VALUES)
    found: dict[int, Entries] = {}
    for record in records:
        entries = _entries(values, record)
        if entries is None:
            raise LostError(f"record {record.lsn} lost a value")
        found[record.lsn] = entries
    values.close()
    return position, found


def _entries(values: ValueLogReader, record: Record) -> Entries | None:
    """What a record holds, values resolved; None if one of them cannot be read."""
    rows: list[tuple[bytes, bytes, bool]] = msgspec.msgpack.decode(
        record.payload, type=list[tuple[bytes, bytes, bool]]
    )
    try:
        return [
            (key, values.read(key, decode_pointer(value)) if large else value)
            for key, value, large in rows
        ]
    except CorruptionError:
        return None


def recover_and_judge(
    fs: CrashFs,
    shape: Shape,
    submitted: dict[int, Entries],
    acked: int,
    released: int,
) -> Logs:
    """Recover what a crash left; `LostError` names a broken promise."""
    logs = Logs(fs, shape, dict(submitted), released)
    judge(logs.found, logs.log.next_lsn, submitted, acked, released)
    return logs


def recover_again(logs: Logs) -> int:
    """Once more, after another crash and after another record; the crash's fingerprint."""
    # What recovery showed to clients must outlive the next power failure, new records or not.
    crashed = logs.fs.crash(0, 0.0)
    remains = crashed.fingerprint()
    again = recover(crashed)[1]
    if _above(logs.released, again) != _above(logs.released, logs.found):
        raise LostError("a second crash, right after recovery, changed what is recovered")
    logs.commit([(b"new", b"record")], sync=True)
    position, found = recover(logs.fs)
    judge(found, position.next_lsn, logs.submitted, logs.acked, logs.released)
    return remains


def _above(lsn: int, found: dict[int, Entries]) -> dict[int, Entries]:
    """What is not in the index; a released record may come back after a crash, or not."""
    return {number: entries for number, entries in found.items() if number > lsn}


def judge(
    found: dict[int, Entries],
    next_lsn: int,
    submitted: dict[int, Entries],
    acked: int,
    released: int,
) -> None:
    """Compare what was recovered with what was submitted, acknowledged and released."""
    lsns = sorted(found)
    last_lsn = max([released, *lsns])
    if lsns and lsns != list(range(lsns[0], lsns[-1] + 1)):
        raise LostError(f"LSNs {lsns} are not dense")
    if last_lsn < acked or next_lsn != last_lsn + 1:
        raise LostError(f"{acked} is acknowledged, {last_lsn} is found, {next_lsn} is next")
    if lsns and lsns[0] > released + 1:
        raise LostError(f"LSN {lsns[0]} comes first, only {released} are released")
    for lsn, entries in found.items():
        if submitted.get(lsn) != entries:
            raise LostError(f"record {lsn} is {entries}, submitted was {submitted.get(lsn)}")


@contextmanager
def replayable(seed: int) -> Iterator[None]:
    """Name the seed of what fails inside."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"replay: LOG_SWEEP_SEEDS={seed} pytest tests/sweeps -k crash_sweep")
        raise

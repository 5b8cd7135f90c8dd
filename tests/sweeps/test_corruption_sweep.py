"""Every damaged byte of a small log directory is detected, or did not matter; never a wrong value.

The log was synced after each group, so only its last group may be mistaken for a torn tail: no
later record is there to tell that it was durable.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, Ending, TornTail
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog import reader as value_reader
from kiwi_engine.vlog.format import decode_pointer, encode_pointer
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.segment import ValueSegmentReader, verify_segment
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter
from kiwi_engine.wal import reader as reader_module
from kiwi_engine.wal.reader import EMPTY_LOG, LogReader
from kiwi_engine.wal.segment import SegmentReader
from kiwi_engine.wal.settings import LogSettings
from kiwi_engine.wal.writer import LogWriter
from tests.sweeps.logs import VALUES, WAL, make_directories

RELEASED: Final = 12
LAST: Final = 33
FLIPS: Final = (0x01, 0xFF)


def _payload(lsn: int) -> bytes:
    return Random(lsn).randbytes(lsn * 7 % 45)


def _write_log(fs: CrashFs) -> None:
    """Synced records, the first twelve released, in fresh and recycled segments."""
    settings = LogSettings(segment_bytes=160, recycled_max=2)
    log = LogWriter.open(fs, WAL, settings, EMPTY_LOG)
    for lsn in range(1, LAST + 1):
        assert log.append(_payload(lsn)) == lsn
        log.sync()
        if lsn == 20:
            log.release(RELEASED)
    log.close()


@pytest.fixture
def log_disk() -> CrashFs:
    fs = CrashFs()
    make_directories(fs)
    _write_log(fs)
    return fs


def _read(fs: CrashFs) -> tuple[list[int], Ending]:
    """The LSNs that are read, and how the log ends. What is read must be what was written."""
    reader = LogReader(fs, WAL)
    lsns = []
    for record in reader.records():
        assert record.payload == _payload(record.lsn)
        lsns.append(record.lsn)
    assert reader.ending is not None
    assert (reader.position is None) == isinstance(reader.ending, Corruption)
    return lsns, reader.ending


def _check_damaged_log(fs: CrashFs, path: str, everything: list[int]) -> type[Ending]:
    lsns, ending = _read(fs)
    if isinstance(ending, Corruption):
        assert ending.path == path
    elif isinstance(ending, TornTail):
        assert lsns in (everything, everything[:-1]), "more than the last group is called torn"
    else:
        assert lsns == everything
    return type(ending)


def _sweep_log(fs: CrashFs) -> dict[type[Ending], int]:
    """Flip each byte of each log file in turn; how often it ended in which way."""
    everything = _read(fs)[0]
    counts: dict[type[Ending], int] = {}
    for path, content in fs.files().items():
        if not path.endswith(".wal"):
            continue
        for at in range(len(content)):
            damaged = bytearray(content)
            damaged[at] ^= FLIPS[at % 2]
            fs.overwrite(path, bytes(damaged))
            ending = _check_damaged_log(fs, path, everything)
            counts[ending] = counts.get(ending, 0) + 1
        fs.overwrite(path, content)
    return counts


def test_the_log_is_intact_before_it_is_damaged(log_disk: CrashFs) -> None:
    lsns, ending = _read(log_disk)
    assert isinstance(ending, CleanEnd)
    assert lsns[0] <= RELEASED + 1
    assert lsns == list(range(lsns[0], LAST + 1))
    assert len([path for path in log_disk.files() if path.endswith(".wal")]) > 4
    assert isinstance(ending, CleanEnd)
    last = [
        record.lsn for record in LogReader(log_disk, WAL).records() if record.path == ending.path
    ]
    assert len(last) > 1, "so that damage in front of the last group is told from a torn tail"


def test_every_flipped_byte_of_the_log(log_disk: CrashFs) -> None:
    counts = _sweep_log(log_disk)
    assert counts[Corruption] > 400
    assert 0 < counts[TornTail] < 100
    assert counts[CleanEnd] > 0


def test_the_sweep_finds_a_reader_that_calls_all_damage_torn(
    log_disk: CrashFs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgiving(segment: SegmentReader, next_lsn: int) -> Ending:
        return TornTail(segment.path, segment.end, "anything")

    monkeypatch.setattr(reader_module, "judge_end", forgiving)
    with pytest.raises(AssertionError):
        _sweep_log(log_disk)


def test_every_length_of_the_last_segment(log_disk: CrashFs) -> None:
    path, content = [item for item in log_disk.files().items() if item[0].endswith(".wal")][-1]
    everything = _read(log_disk)[0]
    for length in range(len(content)):
        log_disk.overwrite(path, content[:length])
        lsns, ending = _read(log_disk)
        assert lsns == everything[: len(lsns)]
        if isinstance(ending, Corruption):
            assert length < 20, "only the header of a last segment is beyond doubt"
    log_disk.overwrite(path, content[:-7])
    assert not isinstance(_read(log_disk)[1], Corruption)


def test_a_missing_segment_is_corruption(log_disk: CrashFs) -> None:
    files = {path: data for path, data in log_disk.files().items() if path.endswith(".wal")}
    for path in list(files)[1:-1]:
        survivor = log_disk.restart()
        survivor.remove(path)
        ending = _read(survivor)[1]
        assert ending == Corruption(path, 0, "the segment is missing")


# -- value log


def _value(number: int) -> bytes:
    return Random(number).randbytes(40) if number % 2 else b"%d" % number * 40


def _write_values(fs: CrashFs, *, close: bool) -> dict[bytes, bytes]:
    """Keys and encoded pointers, in several sealed segments and a last one."""
    settings = ValueLogSettings(segment_bytes=500, allocate_bytes=200)
    writer = ValueLogWriter.open(fs, VALUES, settings)
    pointers: dict[bytes, bytes] = {}
    for number in range(20):
        key = b"key%d" % number
        (pointer,) = writer.append([(key, _value(number))], number + 1)
        pointers[key] = encode_pointer(pointer)
        writer.sync()
    if close:
        writer.close()
    return pointers


def _for_each_flip(fs: CrashFs, check: Callable[[str, int], None]) -> None:
    for path, content in fs.files().items():
        for at in range(len(content)):
            damaged = bytearray(content)
            damaged[at] ^= FLIPS[at % 2]
            fs.overwrite(path, bytes(damaged))
            check(path, at)
        fs.overwrite(path, content)


def _sweep_values() -> None:
    """Read every value over every flipped byte: it is right, or refused by its place."""
    fs = CrashFs()
    make_directories(fs)
    pointers = _write_values(fs, close=True)
    refused = 0

    def check(path: str, at: int) -> None:
        nonlocal refused
        reader = ValueLogReader(fs, VALUES)
        for number in range(20):
            key = b"key%d" % number
            pointer = decode_pointer(pointers[key])
            try:
                assert reader.read(key, pointer) == _value(number)
            except CorruptionError as damage:
                refused += 1
                assert (damage.path, damage.offset) == (path, pointer.offset)
                assert pointer.offset <= at < pointer.offset + pointer.entry_bytes
        reader.close()

    _for_each_flip(fs, check)
    assert refused == sum(decode_pointer(pointer).entry_bytes for pointer in pointers.values())


def test_every_flipped_byte_of_the_value_log_when_read() -> None:
    _sweep_values()


def test_the_sweep_finds_values_without_a_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    def its_own(entry: bytes) -> int:
        return int.from_bytes(entry[:4], "little")

    monkeypatch.setattr(value_reader, "entry_checksum", its_own)
    with pytest.raises(AssertionError):
        _sweep_values()


@pytest.mark.parametrize("close", [True, False])
def test_every_flipped_byte_of_the_value_log_when_verified(close: bool) -> None:
    fs = CrashFs()
    make_directories(fs)
    _write_values(fs, close=close)
    paths = list(fs.files())
    ends = {path: verify_segment(fs, path).ending.offset for path in paths}
    last_begin = [entry.pointer.offset for entry in ValueSegmentReader(fs, paths[-1]).entries()][-1]

    def check(path: str, at: int) -> None:
        summary = verify_segment(fs, path)
        doubtful = not close and path == paths[-1] and at >= last_begin
        if at < ends[path] and not doubtful:
            assert isinstance(summary.ending, Corruption), (path, at)
        elif isinstance(summary.ending, Corruption):
            pytest.fail(f"{path}, {at}: unused space or a last entry is called corrupt")

    _for_each_flip(fs, check)

"""Whatever the bytes, the readers end in an ending or `CorruptionError`, and in nothing else."""

from __future__ import annotations

from random import Random
from typing import Final

import pytest

from kiwi_engine.errors import CorruptionError
from kiwi_engine.testing.crash_fs import CrashFs
from kiwi_engine.vlog.format import VLOG, Pointer
from kiwi_engine.vlog.reader import ValueLogReader
from kiwi_engine.vlog.segment import verify_segment
from kiwi_engine.vlog.writer import ValueLogSettings, ValueLogWriter
from kiwi_engine.wal.format import WAL as WAL_KIND
from kiwi_engine.wal.reader import EMPTY_LOG, LogReader
from kiwi_engine.wal.settings import LogSettings
from kiwi_engine.wal.writer import LogWriter
from tests.sweeps.logs import VALUES, WAL, make_directories

ROUNDS: Final = 150


def _disk() -> CrashFs:
    fs = CrashFs()
    make_directories(fs)
    return fs


def _mutated(random: Random, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data))
        match random.randrange(4):
            case 0:
                data[at] = random.randrange(256)
            case 1:
                data[at : at + 4] = random.choice([b"\xff" * 4, bytes(4), b"\x01\0\0\0"])
            case 2:
                del data[at : at + random.randint(1, 30)]
            case _:
                begin = random.randrange(len(data))
                data[at:at] = data[begin : begin + random.randint(1, 60)]
        data = data or bytearray(1)
    return bytes(data)


def _read_log(fs: CrashFs) -> None:
    reader = LogReader(fs, WAL)
    lsns = [record.lsn for record in reader.records()]
    assert reader.ending is not None
    assert lsns == list(range(lsns[0], lsns[0] + len(lsns))) if lsns else True


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes_as_log_segments(seed: int) -> None:
    random = Random(seed)
    for _ in range(ROUNDS):
        fs = _disk()
        for number in range(1, random.randint(2, 4)):
            header = WAL_KIND.encode_header(number)
            path = WAL_KIND.path(WAL, number)
            fs.overwrite(path, header + random.randbytes(random.randrange(200)))
        _read_log(fs)


@pytest.mark.parametrize("seed", range(10))
def test_mutated_log_segments(seed: int) -> None:
    random = Random(seed)
    fs = _disk()
    log = LogWriter.open(fs, WAL, LogSettings(segment_bytes=200), EMPTY_LOG)
    for _ in range(12):
        log.append(random.randbytes(random.randrange(60)))
        if random.random() < 0.5:
            log.sync()
    log.close()
    segments = {path: data for path, data in fs.files().items() if path.endswith(".wal")}
    for _ in range(ROUNDS):
        path = random.choice(list(segments))
        fs.overwrite(path, _mutated(random, segments[path]))
        _read_log(fs)
        if random.random() < 0.5:
            fs.overwrite(path, segments[path])


@pytest.mark.parametrize("seed", range(10))
def test_random_and_mutated_value_segments(seed: int) -> None:
    random = Random(seed)
    fs = _disk()
    values = ValueLogWriter.open(fs, VALUES, ValueLogSettings(segment_bytes=1 << 20))
    written: dict[Pointer, tuple[bytes, bytes]] = {}
    for number in range(8):
        entry = (b"k%d" % number, b"v" * 200 if number % 2 else random.randbytes(50))
        written[values.append([entry], number)[0]] = entry
        values.sync()
    values.close()
    path = VLOG.path(VALUES, 1)
    original = fs.files()[path]
    for _ in range(ROUNDS):
        header = VLOG.encode_header(1)
        random_bytes = header + random.randbytes(random.randrange(300))
        damaged = random_bytes if random.random() < 0.2 else _mutated(random, original)
        fs.overwrite(path, damaged)
        verify_segment(fs, path)
        reader = ValueLogReader(fs, VALUES)
        for pointer, (key, value) in written.items():
            try:
                assert reader.read(key, pointer) == value
            except CorruptionError:
                pass
            wild = Pointer(1, random.randrange(700), random.randrange(400), random.randrange(400))
            with pytest.raises(CorruptionError):
                reader.read(key, wild if wild not in written else wild._replace(raw_bytes=7777))
        reader.close()

"""What a salvage decides, and how it reads a log and values that the device refuses to give."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kiwi_engine.cli.salvage import KEY_RULES
from kiwi_engine.engine.inspection.progress import Silent
from kiwi_engine.engine.salvage.log import SurvivingLog
from kiwi_engine.engine.salvage.plan import SalvageFacts, healing_start, plan_salvage
from kiwi_engine.engine.salvage.salvage import salvage_directory
from kiwi_engine.fs.posix import PosixFile, PosixFileSystem
from kiwi_engine.fs.segment_format import CleanEnd, Corruption
from kiwi_engine.keyspace.encoding import data_key, expiry_key, namespace_prefix, string_value
from kiwi_engine.wal.format import WAL
from kiwi_engine.wal.reader import LogReader
from tests.cli.data_directory import SETTINGS, crashed, cut, flip, open_engine, stored_key

GROUPS = 700


@pytest.mark.parametrize(
    ("facts", "uses_index", "from_lsn"),
    [
        (SalvageFacts("usable", 9, 9, 5, 0, False), True, 10),
        (SalvageFacts("usable", 9, 9, 0, 0, True), True, 10),
        (SalvageFacts("usable", 9, 12, 5, 12, True), True, 10),
        (SalvageFacts("usable", 9, 12, 5, 11, False), True, 10),
        (SalvageFacts("usable", 9, 12, 1, 12, False), True, 10),
        (SalvageFacts("usable", 9, 12, 1, 11, False), False, 1),
        (SalvageFacts("usable", 9, 12, 1, 9, False), False, 1),
        (SalvageFacts("usable", 9, 12, 1, 8, False), True, 10),
        (SalvageFacts("usable", 0, 0, 1, 0, True), True, 1),
        (SalvageFacts("usable", 0, 0, 0, 0, True), True, 1),
        (SalvageFacts("usable", None, 0, 0, 0, True), True, 1),
        (SalvageFacts("usable", None, 0, 5, 0, True), True, 5),
        (SalvageFacts("usable", None, 0, 1, 0, False), False, 1),
        (SalvageFacts("unusable", None, 0, 1, 0, False), False, 1),
        (SalvageFacts("absent", None, 0, 1, 0, True), False, 1),
        (SalvageFacts("absent", None, 0, 0, 0, True), False, 1),
    ],
)
def test_the_plan(facts: SalvageFacts, uses_index: bool, from_lsn: int) -> None:
    plan = plan_salvage(facts)
    assert (plan.uses_index, plan.replay_from_lsn, plan.refusal) == (uses_index, from_lsn, "")


@pytest.mark.parametrize(
    "facts",
    [
        SalvageFacts("usable", 0, 0, 2, 0, True),
        SalvageFacts("usable", None, 0, 5, 0, False),
        SalvageFacts("usable", None, 0, 0, 0, False),
        SalvageFacts("unusable", None, 0, 5, 0, True),
        SalvageFacts("unusable", None, 0, 0, 0, True),
        SalvageFacts("absent", None, 0, 5, 0, True),
        SalvageFacts("absent", None, 0, 0, 0, False),
    ],
)
def test_what_is_refused(facts: SalvageFacts) -> None:
    assert plan_salvage(facts).refusal


def test_where_a_replay_over_gaps_begins() -> None:
    assert healing_start(applied_lsn=9, first_lsn=3, reaches_lsn=9) == 3
    assert healing_start(applied_lsn=9, first_lsn=3, reaches_lsn=8) == 10
    assert healing_start(applied_lsn=9, first_lsn=10, reaches_lsn=12) == 10
    assert healing_start(applied_lsn=9, first_lsn=0, reaches_lsn=0) == 10


# ---- the log


def read(
    path: Path, from_lsn: int, fs: PosixFileSystem | None = None
) -> tuple[list[int], SurvivingLog]:
    log = SurvivingLog(fs or PosixFileSystem(), str(path / "wal"), Silent())
    lsns = [lsn for lsn, _ in log.records(from_lsn)]
    return lsns, log


@pytest.fixture(scope="module")
def three_segments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that no test changes."""
    return crashed(tmp_path_factory.mktemp("log") / "d", groups=GROUPS)


@pytest.fixture
def long_log(tmp_path: Path, three_segments: Path) -> Path:
    """A copy to be harmed."""
    shutil.copytree(three_segments / "wal", tmp_path / "d" / "wal")
    return tmp_path / "d"


def starts(path: Path) -> dict[int, int]:
    """The first LSN of each segment."""
    found: dict[int, int] = {}
    for record in LogReader(PosixFileSystem(), str(path / "wal")).records():
        found.setdefault(WAL.number(record.path), record.lsn)
    return found


def segment(path: Path, number: int) -> Path:
    return path / "wal" / WAL.name(number)


@pytest.mark.parametrize("from_lsn", [1, 2, 400, GROUPS, GROUPS + 1, GROUPS + 9])
def test_an_intact_log(three_segments: Path, from_lsn: int) -> None:
    lsns, log = read(three_segments, from_lsn)
    assert lsns == list(range(from_lsn, GROUPS + 1))
    assert isinstance(log.ending, CleanEnd)
    assert (log.first_lsn, log.last_lsn) == (1, max(GROUPS, from_lsn - 1))


def test_damage_in_segments_that_are_not_needed(long_log: Path) -> None:
    path = long_log
    second = starts(path)[2]
    flip(segment(path, 1), 5)
    lsns, log = read(path, second)
    assert (lsns, log.skipped) == (list(range(second, GROUPS + 1)), [])
    assert isinstance(log.ending, CleanEnd)
    lsns, log = read(path, second - 1)
    assert lsns == []
    assert isinstance(log.ending, Corruption)
    assert log.records_behind().first_lsn == second


@pytest.mark.parametrize(("harm", "where"), [("header", 2), ("first record", 2), ("cut", 1)])
def test_damage_at_the_border_of_two_segments(long_log: Path, harm: str, where: int) -> None:
    path = long_log
    second, third = starts(path)[2], starts(path)[3]
    if harm == "header":
        flip(segment(path, 2), 3)
    elif harm == "first record":
        flip(segment(path, 2), 50)
    else:
        records = LogReader(PosixFileSystem(), str(path / "wal")).records()
        cut(segment(path, 1), next(r.offset for r in records if r.lsn == second - 1))
    lsns, log = read(path, 1)
    assert lsns == list(range(1, second - (harm == "cut")))
    assert isinstance(log.ending, Corruption)
    assert log.ending.path == str(segment(path, where))
    behind = log.records_behind()
    assert behind.last_lsn == GROUPS
    assert behind.first_lsn in (second, second + 1, third)


class Refusing(PosixFileSystem):
    """Reads of one file from an offset on end in EIO."""

    def __init__(self, path: Path, offset: int) -> None:
        self._path = str(path)
        self._offset = offset

    def open(self, path: str, *, writable: bool) -> PosixFile:
        file = super().open(path, writable=writable)
        return RefusingFile(file, self._offset) if path == self._path else file


class RefusingFile(PosixFile):
    def __init__(self, file: PosixFile, offset: int) -> None:
        super().__init__(file.path, 0)
        file.close()
        self._from = offset

    def pread(self, length: int, offset: int) -> bytes:
        if offset + length > self._from:
            raise OSError(errno.EIO, "Input/output error", self.path)
        return super().pread(length, offset)


def test_a_log_that_the_device_refuses_to_read(three_segments: Path) -> None:
    path = three_segments
    second = starts(path)[2]
    lsns, log = read(path, 1, Refusing(segment(path, 2), 0))
    assert lsns == list(range(1, second))
    assert isinstance(log.ending, Corruption)
    assert "Input/output error" in log.ending.reason


def test_a_value_that_the_device_refuses_to_read(tmp_path: Path) -> None:
    path = crashed(tmp_path / "d")
    fs = Refusing(path / "vlog" / "0000000001.vlog", 2000)
    report = salvage_directory(
        fs, str(path), str(tmp_path / "t"), KEY_RULES, Silent(), settings=SETTINGS
    )
    assert report.verdict == "incomplete"
    assert report.lost_key_count == 7, "the first value lies before the bad place"
    assert "Input/output error" in report.lost_keys[0].reason


# ---- the expiry index


def test_lost_expiry_entries_are_made_again() -> None:
    key = data_key(namespace_prefix(3), b"k")
    derived: Callable[[bytes, bytes], object] = KEY_RULES.derived
    assert derived(key, string_value(b"v", 77)[:16]) == ((expiry_key(77, 3, b"k"), b""),)
    assert derived(key, string_value(b"v", 0)) == ()
    assert derived(b"mnamespaces", b"\x01") == ()


def test_a_second_salvage_of_a_salvaged_directory(tmp_path: Path) -> None:
    """The first one leaves notes about lost keys in the log, which are none of the keys."""
    path = crashed(tmp_path / "d")
    (path / "vlog" / "0000000001.vlog").unlink()
    fs = PosixFileSystem()
    once, twice = tmp_path / "once", tmp_path / "twice"
    salvage_directory(fs, str(path), str(once), KEY_RULES, Silent(), settings=SETTINGS)
    for table in (once / "index").glob("*.sst"):
        flip(table, table.stat().st_size // 2)
    report = salvage_directory(fs, str(once), str(twice), KEY_RULES, Silent(), settings=SETTINGS)
    assert (report.verdict, report.replayed_from_lsn) == ("complete", 1)
    engine = open_engine(twice)
    keys = [key for key, _ in engine.store.range(b"\x01", b"\xff")]
    engine.close()
    assert sorted(keys) == sorted(stored_key(f"small{number}") for number in range(8))

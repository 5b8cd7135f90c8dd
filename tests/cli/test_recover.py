"""`kiwi-engine recover` names what it finds and changes nothing."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.engine.layout import Layout, encode_layout
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.vlog.format import VLOG
from kiwi_engine.vlog.segment import Entry, ValueSegmentReader
from kiwi_engine.wal.format import WAL, Record
from kiwi_engine.wal.reader import LogReader
from tests.cli.data_directory import (
    VALUE_BYTES,
    closed,
    commit,
    crashed,
    cut,
    fingerprint,
    flip,
    open_engine,
    stored_key,
)

GROUPS = 8


class Outcome(NamedTuple):
    code: int
    report: dict[str, Any]
    text: str

    def findings(self, severity: str) -> list[tuple[str, int]]:
        return [
            (Path(finding["path"]).name, finding["offset"])
            for finding in self.report["findings"]
            if finding["severity"] == severity
        ]


def recover(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> Outcome:
    """Run the verb for programs and for people; both must agree, and leave every byte alone."""
    before = fingerprint(path)
    code = main(["recover", str(path), "--json", *options])
    report = json.loads(capsys.readouterr().out)
    assert main(["recover", str(path), *options]) == code
    text = capsys.readouterr().out
    assert fingerprint(path) == before
    assert report["exit_code"] == code
    assert text.endswith(f"verdict      {report['verdict']}\n")
    for finding in report["findings"]:
        assert f"{finding['path']} at offset {finding['offset']}: {finding['reason']}" in text
    return Outcome(code, report, text)


def records(path: Path) -> list[Record]:
    return list(LogReader(PosixFileSystem(), str(path / "wal")).records())


def entries(path: Path, segment: int = 1) -> list[Entry]:
    reader = ValueSegmentReader(PosixFileSystem(), VLOG.path(str(path / "vlog"), segment))
    return list(reader.entries())


def log_file(path: Path, number: int = 1) -> Path:
    return path / "wal" / WAL.name(number)


def value_file(path: Path, number: int = 1) -> Path:
    return path / "vlog" / VLOG.name(number)


# ---- nothing is wrong


@pytest.mark.parametrize("options", [[], ["--verify"]])
def test_a_clean_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    outcome = recover(closed(tmp_path / "d"), capsys, *options)
    report = outcome.report
    assert (outcome.code, report["verdict"], report["case"]) == (0, "clean", "B")
    assert report["findings"] == []
    assert report["records_to_replay"] == 0
    assert (report["log"]["first_lsn"], report["log"]["last_lsn"]) == (1, GROUPS)
    assert report["value_log"]["entries"] == GROUPS
    assert report["value_log"]["value_bytes"] == GROUPS * VALUE_BYTES
    assert report["index"]["applied_lsn"] == GROUPS
    verified = (2 * GROUPS, GROUPS) if options else (None, None)
    assert (report["index"]["entries_verified"], report["index"]["pointers_verified"]) == verified


def test_a_directory_without_any_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_engine(tmp_path / "d").close()
    outcome = recover(tmp_path / "d", capsys, "--verify")
    assert (outcome.code, outcome.report["case"]) == (0, "A")
    assert "no LSN" in outcome.text


def test_after_kill_minus_nine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "d"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from tests.cli.data_directory import fill, open_engine\n"
        f"fill(open_engine(Path(sys.argv[1])), {GROUPS})\n"
        "print('filled', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "filled\n"
        outcome = recover(path, capsys)
        assert outcome.report["in_use_by"] == process.pid
        assert f"in use       by process {process.pid}" in outcome.text
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    outcome = recover(path, capsys, "--verify")
    report = outcome.report
    assert (outcome.code, report["verdict"], report["case"]) == (0, "clean", "B")
    assert report["in_use_by"] is None
    assert report["records_to_replay"] == GROUPS


# ---- a torn tail


def test_seven_bytes_off_the_last_segment_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = crashed(tmp_path / "d")
    last = max((path / "wal").iterdir())
    assert last == log_file(path, 2), "the engine prepares a segment ahead"
    cut(last, -7)
    outcome = recover(path, capsys)
    assert (outcome.code, outcome.report["verdict"]) == (0, "clean")
    assert outcome.findings("note") == [(last.name, last.stat().st_size)]
    assert "7 bytes shorter" in outcome.text
    assert outcome.report["records_to_replay"] == GROUPS


def test_seven_bytes_off_the_last_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = crashed(tmp_path / "d")
    last = records(path)[-1]
    cut(log_file(path), last.end - 7)
    outcome = recover(path, capsys)
    report = outcome.report
    assert (outcome.code, report["verdict"], report["case"]) == (1, "torn tail", "D")
    assert outcome.findings("torn tail") == [(log_file(path).name, last.offset)]
    assert report["log"]["torn_bytes"] == last.end - 7 - last.offset
    assert report["records_to_replay"] == GROUPS - 1


def test_stray_bytes_behind_the_last_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = crashed(tmp_path / "d")
    last = records(path)[-1]
    flip(log_file(path), last.end + 2)
    outcome = recover(path, capsys)
    assert (outcome.code, outcome.report["case"]) == (1, "D")
    assert outcome.report["log"]["torn_bytes"] == 3
    assert outcome.report["records_to_replay"] == GROUPS


def test_a_value_that_nothing_points_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = crashed(tmp_path / "d")
    end = entries(path)[-1].end
    flip(value_file(path), end + 2)
    outcome = recover(path, capsys, "--verify")
    report = outcome.report
    assert (outcome.code, report["verdict"], report["case"]) == (1, "torn tail", "B")
    assert outcome.findings("torn tail") == [(value_file(path).name, end)]
    assert report["value_log"]["torn_segments"] == 1


# ---- corruption


def test_a_flipped_byte_in_the_middle_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = crashed(tmp_path / "d")
    record = records(path)[GROUPS // 2]
    flip(log_file(path), record.offset + 30)
    outcome = recover(path, capsys)
    report = outcome.report
    assert (outcome.code, report["verdict"], report["case"]) == (4, "corruption", "G")
    assert outcome.findings("corruption") == [(log_file(path).name, record.offset)]
    assert report["log"]["records"] == GROUPS // 2


@pytest.mark.parametrize("options", [[], ["--verify"]])
@pytest.mark.parametrize("make", [closed, crashed])
def test_a_flipped_byte_in_a_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any, options: list[str]
) -> None:
    path = make(tmp_path / "d")
    entry = entries(path)[2]
    flip(value_file(path), entry.end - 100)
    outcome = recover(path, capsys, *options)
    assert (outcome.code, outcome.report["verdict"]) == (4, "corruption")
    assert outcome.findings("corruption") == [(value_file(path).name, entry.pointer.offset)]


def test_a_torn_value_that_the_log_relies_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = crashed(tmp_path / "d")
    last = entries(path)[-1]
    cut(value_file(path), last.end - 7)
    outcome = recover(path, capsys)
    assert (outcome.code, outcome.report["verdict"]) == (4, "corruption")
    assert outcome.findings("corruption") == [(value_file(path).name, last.pointer.offset)]
    assert f"LSN {GROUPS}" in outcome.text


def test_a_torn_value_that_the_index_relies_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = crashed(tmp_path / "d")
    open_engine(path).close()
    last = entries(path)[-1]
    cut(value_file(path), last.end - 7)
    outcome = recover(path, capsys)
    assert (outcome.code, outcome.report["verdict"]) == (4, "corruption")
    assert outcome.findings("corruption") == [(value_file(path).name, last.pointer.offset)]


def test_a_missing_value_segment_is_found_by_following_pointers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = closed(tmp_path / "d")
    value_file(path).unlink()
    outcome = recover(path, capsys, "--verify")
    assert outcome.code == 4
    assert len(outcome.findings("corruption")) == GROUPS
    assert "the segment is missing" in outcome.text


def test_a_missing_log_segment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = crashed(tmp_path / "d", groups=400)
    assert log_file(path, 2).exists()
    assert len(records(path)) == 400
    log_file(path, 1).unlink()
    outcome = recover(path, capsys)
    assert (outcome.code, outcome.report["case"]) == (4, "F")
    assert "are missing" in outcome.report["meaning"]


def test_a_damaged_index_block_needs_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_engine(tmp_path / "d")
    for number in range(40):
        put = partial(engine.store.put, stored_key(f"k{number}"), bytes([number]) * 990)
        commit(engine, put)
    engine.close()
    (table,) = (tmp_path / "d" / "index").glob("*.sst")
    flip(table, table.stat().st_size // 3)
    assert recover(tmp_path / "d", capsys).code == 0
    outcome = recover(tmp_path / "d", capsys, "--verify")
    assert outcome.code == 4
    assert outcome.findings("corruption")[0][0] == table.name


def test_an_index_that_is_gone_is_rebuilt_from_a_whole_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = closed(tmp_path / "d")
    shutil.rmtree(path / "index")
    outcome = recover(path, capsys, "--verify")
    assert (outcome.code, outcome.report["case"]) == (0, "B")
    assert outcome.report["records_to_replay"] == GROUPS
    engine = open_engine(path)
    value = engine.store.get(stored_key("large3"))
    engine.close()
    assert value is not None
    assert len(value) == VALUE_BYTES


def test_an_index_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = closed(tmp_path / "d")
    (manifest,) = (path / "index").glob("MANIFEST-*")
    flip(manifest, 30)
    outcome = recover(path, capsys, "--verify")
    assert (outcome.code, outcome.report["case"]) == (4, None)
    assert outcome.report["index"] is None
    assert outcome.report["log"]["records"] == GROUPS
    assert "the index cannot be read" in outcome.text


def test_a_damaged_layout_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = closed(tmp_path / "d")
    flip(path / "LAYOUT", 25)
    outcome = recover(path, capsys)
    assert outcome.code == 4
    assert outcome.findings("corruption") == [("LAYOUT", 0)]


def test_a_missing_layout_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = closed(tmp_path / "d")
    (path / "LAYOUT").unlink()
    outcome = recover(path, capsys)
    assert (outcome.code, outcome.report["layout"]) == (4, None)
    assert "the layout file is missing" in outcome.text


# ---- nothing can be said


def test_another_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = closed(tmp_path / "d")
    (path / "LAYOUT").write_bytes(encode_layout(Layout(wal=99)))
    before = fingerprint(path)
    assert main(["recover", str(path)]) == 2
    assert "wal version 99" in capsys.readouterr().err
    assert fingerprint(path) == before


def test_what_is_no_data_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recover", str(tmp_path)]) == 2
    assert main(["recover", str(tmp_path / "absent")]) == 2
    assert "not a Kiwi Engine data directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

"""`kiwi-engine gc`: of a directory that nobody has open, and of a running server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import msgspec
import pytest

from kiwi_engine.cli.main import main
from kiwi_engine.engine.collection.facts import value_log_facts
from kiwi_engine.engine.inspection.inspect import inspect_directory
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.fs.posix import PosixFileSystem
from tests.cli.data_directory import closed, commit, fill, flip, open_engine, stored_key
from tests.cli.test_stats_live import bulk, playing
from tests.support.servers import kiwi

GROUPS = 400
LARGE_KEYS = [f"large{number}" for number in range(GROUPS)]
ASK = b"*4\r\n$4\r\nKIWI\r\n$2\r\nGC\r\n$9\r\nTHRESHOLD\r\n$2\r\n10\r\n"
ASK_INFO = b"*2\r\n$4\r\nINFO\r\n$10\r\neverything\r\n"


@pytest.fixture(autouse=True)
def same_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of the engine which wrote the directories."""
    monkeypatch.setenv("KIWI_VALUE_THRESHOLD", "1000")


class NoProgress:
    """An `engine.inspection.progress.Progress` that shows nothing."""

    def start(self, name: str, total: int) -> None: ...

    def reach(self, done: int) -> None: ...


def half_dead(path: Path) -> Path:
    """Every second large value is deleted, in all segments but the last."""
    closed(path, GROUPS)
    engine = open_engine(path)
    for number in range(0, GROUPS, 2):
        commit(engine, partial(engine.store.delete, stored_key(f"large{number}")))
    engine.close()
    return path


def value_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in (path / "vlog").iterdir())


def check(path: Path) -> None:
    progress: Progress = NoProgress()
    report = inspect_directory(PosixFileSystem(), str(path), verify=True, progress=progress)
    assert report.exit_code == 0, report.findings
    engine = open_engine(path)
    values = [engine.store.get(stored_key(name)) for name in LARGE_KEYS]
    assert [value is None for value in values] == [number % 2 == 0 for number in range(GROUPS)]
    engine.close()


def test_a_directory_is_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = half_dead(tmp_path / "data")
    before = value_bytes(path)
    assert main(["gc", "--dir", str(path)]) == 0
    output = capsys.readouterr().out
    assert "collected" in output
    assert "written" in output
    assert "x live" in output
    assert value_bytes(path) < 0.7 * before
    check(path)


def test_what_is_live_enough_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = half_dead(tmp_path / "data")
    before = value_bytes(path)
    assert main(["gc", "--dir", str(path), "--threshold", "90"]) == 0
    assert "collected    0 segments, 0.0 MiB" in capsys.readouterr().out
    assert value_bytes(path) == before


def test_a_damaged_segment_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = half_dead(tmp_path / "data")
    first = min((path / "vlog").iterdir())
    # In the second value, which is live.
    flip(first, 3000)
    assert main(["gc", "--dir", str(path)]) == 4
    assert "left alone   1 damaged segments: segment 1" in capsys.readouterr().out
    assert first.exists()


def test_what_is_no_data_directory_stays_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gc", "--dir", str(tmp_path)]) == 1
    assert "is not a Kiwi Engine data directory" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    engine = open_engine(path)
    assert main(["gc", "--dir", str(path)]) == 3
    engine.close()


@pytest.mark.parametrize("percent", ["0", "101", "some"])
def test_a_threshold_is_a_percentage(percent: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["gc", "--threshold", percent])
    assert caught.value.code == 2


def value_log_info(tmp_path: Path, **changes: object) -> bytes:
    engine = open_engine(tmp_path / "facts")
    facts = value_log_facts(engine) | changes
    engine.close()
    lines = "\r\n".join(f"{name}:{value}" for name, value in facts.items())
    return bulk(f"# Valuelog\r\n{lines}\r\n")


def test_a_server_is_only_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = value_log_info(tmp_path)
    with playing((ASK_INFO, info), (ASK, b"+Background collection started\r\n")) as port:
        assert main(["gc", "--port", str(port)]) == 0
    assert capsys.readouterr().out.startswith("collection started")


def test_a_server_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = value_log_info(tmp_path)
    during = value_log_info(tmp_path, gc_asked_for=1)
    after = value_log_info(
        tmp_path, gc_segments_collected=2, gc_bytes_freed=3 << 20, gc_segments_held=1
    )
    script = [(ASK_INFO, before), (ASK, b"+OK\r\n"), (ASK_INFO, during), (ASK_INFO, after)]
    with playing(*script) as port:
        assert main(["gc", "--port", str(port), "--wait"]) == 0
    output = capsys.readouterr().out
    assert "collected    2 segments, 3.0 MiB" in output
    assert "held         1 empty segments" in output


def test_a_real_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings: dict[str, str | int] = {
        "value-log-segment-size": "128kb",
        "value-gc-threshold": 100,
        "value-gc-dead-max": 100,
        "drain-interval": "20ms",
    }
    with kiwi(tmp_path, settings) as server, server.client() as client:
        values = {b"key%d" % n: Random(n).randbytes(4000) for n in range(200)}
        for key, value in values.items():
            client.command("SET", key, value)
        for key in list(values)[::2]:
            client.command("DEL", key)
            del values[key]
        assert b"GC [THRESHOLD percent]" in client.command("KIWI", "HELP")
        assert client.command("KIWI", "GC", "THRESHOLD", "100") == b"Background collection started"
        assert main(["gc", "--port", str(server.port), "--wait", "--threshold", "30"]) == 0
        output = capsys.readouterr().out
        assert "collected    0" not in output
        assert {key: client.command("GET", key) for key in values} == values


def test_facts_are_plain(tmp_path: Path) -> None:
    """They travel as MessagePack, and INFO prints them."""
    engine = open_engine(tmp_path / "data")
    fill(engine, 3)
    facts = value_log_facts(engine)
    engine.close()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(facts)) == facts
    assert facts["gc_state"] == "idle"
    assert facts["live_bytes"] == 3 * (40 + len(stored_key("large0")) + 1500)

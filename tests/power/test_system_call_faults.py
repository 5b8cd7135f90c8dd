"""System calls of the real program fail: what is acknowledged stays, and the message helps."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest

from tests.conftest import StartKiwi
from tests.support.backup_watch import backup_has_ended
from tests.support.client import Client, ErrorReply
from tests.support.numbered_writer import NumberedWriter
from tests.support.servers import ServerProcess, wait_until
from tests.support.strace import attached, threads, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "strace works")

# So small that segments are made and given up, and the index flushed, all the time.
BUSY: Final[dict[str, str | int]] = {
    "value_threshold": 1000,
    "wal_segment_size": 65_536,
    "wal_retained_max": 131_072,
    "value_log_segment_size": "1mb",
    "drain_interval": 20,
    "rocksdb_write_buffer_size": 65_536,
}
# One log segment, one value log segment, and nothing else that writes.
QUIET: Final[dict[str, str | int]] = {"value_threshold": 1000, "drain_interval": 3_600_000}
SMALL: Final = 100
LARGE: Final = 5000
# Records larger than a segment: such segments are removed instead of recycled.
BULKY: Final = {**BUSY, "value_threshold": "1mb"}
BULK: Final = 100_000
# Python takes the latter where the system has it.
WRITE: Final = "pwritev,pwritev2"
LOG: Final = "wal/0000000001.wal"
VALUES: Final = "vlog/0000000001.vlog"


@dataclass(frozen=True)
class Fault:
    """What fails, for whom, and how that ends.

    `path` is a file, `threads` the beginning of their name: strace fails no one else's calls.
    """

    calls: str
    error: str
    ends: Literal["poisoned", "passes"]
    path: str = ""
    threads: str = ""
    when: str = "1"
    value_bytes: int = SMALL

    @property
    def settings(self) -> dict[str, str | int]:
        """So that the call is made, and by nothing else where strace looks at a path."""
        if self.path:
            return QUIET
        return BULKY if self.value_bytes == BULK else BUSY

    def options(self, directory: Path) -> list[str]:
        only = ["-P", str(directory / self.path)] if self.path else []
        inject = f"inject={self.calls}:error={self.error}:when={self.when}"
        return [*only, "-e", f"trace={self.calls}", "-e", inject]


FAULTS: Final = {
    "log sync": Fault("fdatasync", "EIO", "poisoned", LOG),
    "third log sync": Fault("fdatasync", "EIO", "poisoned", LOG, when="3"),
    "log write": Fault(WRITE, "EIO", "poisoned", LOG),
    "log write, disk full": Fault(WRITE, "ENOSPC", "passes", LOG),
    "value log sync": Fault("fdatasync", "EIO", "poisoned", VALUES, value_bytes=LARGE),
    "value log write": Fault(WRITE, "EIO", "poisoned", VALUES, value_bytes=LARGE),
    "value log write, disk full": Fault(WRITE, "ENOSPC", "passes", VALUES, value_bytes=LARGE),
    "space for a log segment": Fault("fallocate", "ENOSPC", "passes", when="1+"),
    "making a log segment": Fault("fallocate", "EIO", "poisoned"),
    "renaming a log segment": Fault("/^rename", "EIO", "poisoned"),
    "removing a log segment": Fault("/^unlink", "EIO", "poisoned", when="1+", value_bytes=BULK),
    "syncing a directory": Fault("fsync", "EIO", "poisoned"),
    "flush of the index": Fault("fdatasync", "EIO", "poisoned", threads="rocksdb:", when="1+"),
    "write of the index": Fault("write,pwrite64", "EIO", "poisoned", threads="rocksdb:", when="1+"),
}


def storage_process_id(client: Client) -> int:
    return int(client.info()["storage_process_id"])


def check_read_only(client: Client, writer: NumberedWriter, error: str) -> None:
    """Every write is refused with the reason and what to do; reads go on."""
    for words in (("SET", "later", "1"), ("DEL", "k0"), ("INCR", "n")):
        refused = client.command(*words)
        assert isinstance(refused, ErrorReply)
        assert str(refused).startswith("MISCONF Kiwi Engine is read-only: ")
        assert error in str(refused)
        assert str(refused).endswith("restart to recover.")
    info = client.info()
    assert info["writes_refused"] == "1"
    assert error in info["writes_refused_reason"]
    writer.check(client)


def check_writable_again(client: Client, writer: NumberedWriter) -> None:
    """The fault has passed: without a restart, writes are taken again."""
    wait_until(lambda: writer.write() is None, "writes to be accepted")
    wait_until(lambda: client.info()["writes_refused"] == "0", "INFO to say so")
    writer.write_many(200)
    writer.check(client)


def restart(server: ServerProcess) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_failing_system_call(start_kiwi: StartKiwi, tmp_path: Path, fault: Fault) -> None:
    server = start_kiwi(**fault.settings)
    with server.client() as client:
        writer = NumberedWriter(client, fault.value_bytes)
        writer.write_many(5)
        process_id = storage_process_id(client)
        victims = threads(process_id, fault.threads) if fault.threads else []
        assert victims or not fault.threads
        options = fault.options(server.directory)
        with attached(process_id, options, tmp_path / "trace", victims):
            writer.write_until_refused()
        assert re.search(rf"{fault.error}.*\(INJECTED\)", (tmp_path / "trace").read_text())
        if fault.ends == "poisoned":
            check_read_only(client, writer, "Input/output error")
            assert "Input/output error" in server.output()
        else:
            check_writable_again(client, writer)
        assert storage_process_id(client) == process_id
    restart(server)
    with server.client() as client:
        writer.check(client)
        assert client.command("SET", "later", "1") == b"OK"


def test_a_collected_file_that_cannot_be_removed_is_removed_later(
    start_kiwi: StartKiwi, tmp_path: Path
) -> None:
    """Nothing depends on it: nobody is refused."""
    server = start_kiwi(**{**BUSY, "value_gc_threshold": 10})
    with server.client() as client:
        process_id = storage_process_id(client)
        options = ["-e", "trace=/^unlink", "-e", "inject=/^unlink:error=EIO:when=1+"]
        # Nothing can compress it, so it fills a file soon.
        value = random.Random(0).randbytes(BULK)
        with attached(process_id, options, tmp_path / "trace"):
            wait_until(
                lambda: (
                    client.command("SET", "overwritten", value) == b"OK"
                    and "Input/output error" in client.info()["gc_last_error"]
                ),
                "a removal that fails",
            )
            collected = int(client.info()["gc_segments_collected"])
        wait_until(lambda: int(client.info()["gc_segments_collected"]) > collected, "a removal", 60)
        assert client.info()["writes_refused"] == "0"
        assert client.command("GET", "overwritten") == value
        assert storage_process_id(client) == process_id


def test_a_backup_that_meets_an_error_fails_alone(start_kiwi: StartKiwi, tmp_path: Path) -> None:
    server = start_kiwi(**BUSY)
    target = str(tmp_path / "backup")
    with server.client() as client:
        writer = NumberedWriter(client, LARGE)
        writer.write_many(50)
        process_id = storage_process_id(client)
        options = ["-e", "trace=/^mkdir", "-e", "inject=/^mkdir:error=EIO:when=1+"]
        with attached(process_id, options, tmp_path / "trace"):
            assert client.command("KIWI", "BACKUP", target) == b"OK"
            wait_until(lambda: backup_has_ended(client), "the end of the backup")
            assert "Input/output error" in backup_failure(client)
        writer.write_many(50)
        writer.check(client)
        assert client.info()["writes_refused"] == "0"
        assert client.command("KIWI", "BACKUP", target) == b"OK"
        wait_until(lambda: backup_has_ended(client), "the end of the backup")
        assert backup_failure(client) == ""


def backup_failure(client: Client) -> str:
    """Why the last backup was not made."""
    status = client.command("KIWI", "BACKUP-STATUS")
    return str(status[status.index(b"failure") + 1].decode())

"""A real disk gets full: writes are refused, reads go on, and writing resumes by itself.

The disk is a small ext4 volume that another program fills to its last byte.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.client import Client, ErrorReply
from tests.support.loop_volume import MEBIBYTE, Volume, why_not
from tests.support.numbered_writer import NumberedWriter
from tests.support.servers import ServerFailedError, ServerProcess, kiwi, wait_until

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "volumes can be mounted")

# The index is flushed all the time, and values from 2000 bytes on go to the value log.
SETTINGS: Final[dict[str, str | int]] = {
    "disk-reserve": 0,
    "value-threshold": 2000,
    "wal-segment-size": "1mb",
    "wal-retained-max": "2mb",
    "value-log-segment-size": "4mb",
    "drain-interval": 20,
    "rocksdb-write-buffer-size": "256kb",
}
SMALL: Final = 500
LARGE: Final = 5000


class Disk:
    """A volume, and the file with which somebody else fills it."""

    def __init__(self, volume: Volume) -> None:
        self.directory = volume.mounted
        self._filler = volume.mounted / "filler"

    @property
    def free_bytes(self) -> int:
        facts = os.statvfs(self.directory)
        return facts.f_bavail * facts.f_frsize

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave this much free."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        try:
            for step in (MEBIBYTE, 4096, 512):
                while self.free_bytes > leave_bytes or not leave_bytes:
                    os.write(descriptor, bytes(step))
        except OSError:
            assert not leave_bytes
        finally:
            os.close(descriptor)
        if not leave_bytes:
            self._use_the_last_blocks()

    def _use_the_last_blocks(self) -> None:
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_APPEND)
        try:
            while os.write(descriptor, bytes(512)):
                pass
        except OSError:
            pass
        finally:
            os.close(descriptor)

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with Volume(tmp_path / "image", tmp_path / "data", 64 * MEBIBYTE) as volume:
        yield Disk(volume)


@pytest.fixture
def server(disk: Disk) -> Iterator[ServerProcess]:
    with kiwi(disk.directory, SETTINGS) as running:
        yield running


def storage_process_id(client: Client) -> int:
    return int(client.info().get("storage_process_id") or 0)


def check_refusal(error: ErrorReply) -> None:
    assert str(error).startswith("MISCONF Kiwi Engine refuses writes: "), error
    assert str(error).endswith("free disk space, and writes resume by themselves."), error


def check_resumed(client: Client, writer: NumberedWriter) -> None:
    # Until RocksDB has looked again, every five seconds, a drain may fail once more.
    for _ in range(200):
        wait_until(lambda: writer.write() is None, "writes to be accepted", 30)
    wait_until(lambda: client.info()["writes_refused"] == "0", "INFO to say so")
    writer.check(client)


def test_the_reserve_is_kept(disk: Disk) -> None:
    settings = {**SETTINGS, "disk-reserve": "16mb"}
    with kiwi(disk.directory, settings) as server, server.client() as client:
        writer = NumberedWriter(client, LARGE, pipeline=20)
        writer.write_many(20)
        disk.fill(leave_bytes=15 * MEBIBYTE)
        # It looks once a second; who writes fast enough meanwhile fills the disk all the same.
        wait_until(lambda: client.info()["writes_refused"] == "1", "INFO to say so")
        error = writer.write_until_refused()
        check_refusal(error)
        assert "disk-reserve" in str(error)
        writer.check(client)
        disk.free()
        check_resumed(client, writer)


@pytest.mark.parametrize("value_bytes", [SMALL, LARGE], ids=["in the index", "in the value log"])
@pytest.mark.parametrize("mode", ["dual", "single"])
def test_writing_resumes_without_a_restart(disk: Disk, mode: str, value_bytes: int) -> None:
    with kiwi(disk.directory, {**SETTINGS, "runtime-mode": mode}) as server:
        with server.client() as client:
            process_id = storage_process_id(client)
            writer = NumberedWriter(client, value_bytes, pipeline=20)
            writer.write_many(400)
            for _ in range(2):
                disk.fill()
                check_refusal(writer.write_until_refused())
                # A refusal ends when some space may be there, until a write finds out.
                wait_until(
                    lambda: writer.write() is not None and client.info()["writes_refused"] == "1",
                    "INFO to say so",
                )
                writer.check(client)
                disk.free()
                check_resumed(client, writer)
            assert storage_process_id(client) == process_id
        server.kill()
        server.start()
        with server.client() as client:
            writer.check(client)


def test_a_collection_makes_room_where_writes_are_refused(disk: Disk) -> None:
    """Nobody frees space but the collection of the value log: the reserve is there for it."""
    never = {"value-gc-threshold": 100, "value-gc-dead-max": 100}
    settings = {**SETTINGS, **never, "disk-reserve": "16mb"}
    with kiwi(disk.directory, settings) as server, server.client() as client:
        kept = NumberedWriter(client, LARGE, pipeline=20)
        kept.write_many(200)
        overwritten = random.Random(0)
        refused: ErrorReply | None = None
        while refused is None:
            # Some of them stay in every file.
            refused = kept.write()
            for number in range(5):
                reply = client.command("SET", f"o{number}", overwritten.randbytes(16_384))
                refused = reply if isinstance(reply, ErrorReply) else refused
        check_refusal(refused)
        assert client.command("CONFIG", "SET", "value-gc-threshold", 30) == b"OK"
        check_resumed(client, kept)


@pytest.mark.parametrize("value_bytes", [SMALL, LARGE], ids=["in the index", "in the value log"])
def test_stopping_while_the_disk_is_full(
    disk: Disk, server: ServerProcess, value_bytes: int
) -> None:
    with server.client() as client:
        writer = NumberedWriter(client, value_bytes, pipeline=20)
        writer.write_many(400)
        disk.fill()
        writer.write_until_refused()
    assert server.stop() == 0
    try:
        server.start()
    except ServerFailedError as error:
        assert "free some space and start again" in str(error)
        disk.free()
        server.start()
    with server.client() as client:
        writer.check(client)


def test_storage_dies_while_the_disk_is_full(disk: Disk, server: ServerProcess) -> None:
    with server.client() as client:
        writer = NumberedWriter(client, SMALL, pipeline=20)
        writer.write_many(400)
        disk.fill()
        writer.write_until_refused()
        dead = storage_process_id(client)
        os.kill(dead, signal.SIGKILL)
        # Whether there is still room for opening the index is a matter of a few kilobytes.
        wait_until(
            lambda: (
                "cannot be opened" in server.output() or storage_process_id(client) not in (0, dead)
            ),
            "an attempt to open the directory",
        )
        disk.free()
        check_resumed(client, writer)

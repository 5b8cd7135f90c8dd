"""What only the real file system does: short transfers, locks between processes, descriptors."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from kiwi_engine.errors import LockedError
from kiwi_engine.fs.posix import LOCK_NAME, PosixFileSystem

fs = PosixFileSystem()


@pytest.mark.parametrize("step", [1, 3, 7])
def test_short_writes_are_completed(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwritev

    def short(descriptor: int, buffers: Sequence[bytes], offset: int) -> int:
        return real(descriptor, [b"".join(map(bytes, buffers))[:step]], offset)

    file = fs.create(f"{tmp_path}/a")
    monkeypatch.setattr(os, "pwritev", short)
    assert file.pwritev((b"abc", b"", b"defgh", b"i"), 2) == 9
    assert file.pread(100, 2) == b"abcdefghi"
    file.close()


def test_short_reads_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pread
    file = fs.create(f"{tmp_path}/a")
    file.pwritev((b"abcdefgh",), 0)
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: real(fd, min(length, 3), offset))
    assert file.pread(7, 1) == b"bcdefgh"
    assert file.pread(100, 1) == b"bcdefgh"
    file.close()


def test_files_are_private_and_not_inherited(tmp_path: Path) -> None:
    file = fs.create(f"{tmp_path}/a")
    assert os.stat(file.path).st_mode & 0o077 == 0
    assert not os.get_inheritable(file._descriptor)
    file.close()


def test_another_process_is_kept_out_and_named(tmp_path: Path) -> None:
    program = (
        "import sys; from kiwi_engine.fs.posix import PosixFileSystem as P;"
        "lock = P().lock_directory(sys.argv[1]); print('locked', flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"locked\n"
        with pytest.raises(LockedError, match=f"{tmp_path} is in use by process {owner.pid}$"):
            fs.lock_directory(str(tmp_path))
        owner.kill()
    lock = fs.lock_directory(str(tmp_path))
    assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_systems_without_allocation_and_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.delattr(os, "posix_fadvise")
    file = fs.create(f"{tmp_path}/a")
    file.pwritev((b"abc",), 0)
    file.allocate(5)
    file.allocate(2)
    file.drop_cache()
    assert file.pread(9, 0) == b"abc\0\0"
    file.close()


def test_a_lock_that_fails_for_another_reason_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="No locks available"):
        fs.lock_directory(str(tmp_path))

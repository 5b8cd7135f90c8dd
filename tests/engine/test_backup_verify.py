"""Checking a backup as it lies there."""

from __future__ import annotations

import pytest

from kiwi_engine.engine.backup.verify import BackupVerification, is_backup, verify_backup
from kiwi_engine.engine.inspection.progress import Silent
from kiwi_engine.errors import BackupError
from kiwi_engine.testing.crash_fs import CrashFs
from tests.engine.stepped import tiny_steps
from tests.engine.test_backup import manifest_of, world


@pytest.fixture
def fs() -> CrashFs:
    with tiny_steps():
        made = world(8)
        made.live(80)
        made.back_up()
        assert manifest_of(made).files
        return made.fs


def verify(fs: CrashFs) -> BackupVerification:
    return verify_backup(fs, "/backup", Silent())


def test_a_good_backup(fs: CrashFs) -> None:
    found = verify(fs)
    assert is_backup(fs, "/backup")
    assert not is_backup(fs, "/data")
    assert found.manifest is not None
    assert (found.verdict, found.findings) == ("clean", ())
    assert found.files_checked == len(found.manifest.files) > 3
    assert found.bytes_checked == found.manifest.total_bytes


def test_every_flipped_byte_is_found_and_named(fs: CrashFs) -> None:
    for path, content in fs.files().items():
        if not path.startswith("/backup/") or path.endswith("LOCK"):
            continue
        for at in range(0, len(content), 7):
            fs.overwrite(path, content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
            found = verify(fs)
            assert found.verdict == "corruption"
            assert {finding.path for finding in found.findings} == {path}
        fs.overwrite(path, content)


def test_missing_short_and_long_files(fs: CrashFs) -> None:
    manifest = verify(fs).manifest
    assert manifest is not None
    first, second, third = [f"/backup/files/{file.stored}" for file in manifest.files[:3]]
    fs.remove(first)
    fs.overwrite(second, fs.files()[second][:-1])
    fs.overwrite(third, fs.files()[third] + b"x")
    reasons = [finding.reason for finding in verify(fs).findings]
    assert len(reasons) == 3
    assert "the file is missing" in reasons[0]
    assert "ends too early" in reasons[1]
    assert "longer than" in reasons[2]


def test_what_is_left_over_is_only_noted(fs: CrashFs) -> None:
    fs.create("/backup/files/copying").close()
    found = verify(fs)
    assert found.verdict == "clean"
    assert [finding.severity for finding in found.findings] == ["note"]


def test_what_is_no_backup() -> None:
    fs = CrashFs()
    with pytest.raises(BackupError, match="holds no backup"):
        verify_backup(fs, "/nothing", Silent())
    fs.make_directory("/begun")
    fs.create("/begun/BACKUP.new").close()
    with pytest.raises(BackupError, match="only the beginning of one"):
        verify_backup(fs, "/begun", Silent())

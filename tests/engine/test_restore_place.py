"""Where a restore may be made, and that nothing foreign is removed for it."""

from __future__ import annotations

import pytest

from kiwi_engine.engine.restore.place import RestorePlace
from kiwi_engine.errors import BackupError
from kiwi_engine.testing.crash_fs import CrashFs


def test_a_file_at_the_target_is_left_alone() -> None:
    fs = CrashFs()
    fs.create("/r").close()
    with pytest.raises(BackupError, match=r"^/r is not a directory$"):
        RestorePlace(fs, "/r")
    assert fs.files() == {"/r": b""}
    assert not fs.exists("/r.partial")


def test_a_directory_with_something_foreign_is_left_alone() -> None:
    fs = CrashFs()
    fs.make_directory("/r.partial")
    for name in ("LAYOUT", "notes", "photos"):
        fs.create(f"/r.partial/{name}").close()
    with pytest.raises(BackupError, match=r"^/r\.partial is in the way: it holds notes$"):
        RestorePlace(fs, "/r")
    assert fs.list_directory("/r.partial") == ["LAYOUT", "notes", "photos"]


def test_what_an_earlier_restore_left_is_cleared_away() -> None:
    fs = CrashFs()
    fs.make_directory("/r.partial")
    fs.create("/r.partial/LAYOUT").close()
    place = RestorePlace(fs, "/r")
    assert fs.files().keys() <= {"/r.partial/LOCK"}
    place.hand_over()
    place.publish()
    assert fs.exists("/r")
    assert not fs.exists("/r.partial")

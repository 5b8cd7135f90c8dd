"""How far a restore goes, and what is refused before it begins."""

from __future__ import annotations

import msgspec
import pytest

from kiwi_engine.engine.archive.format import ArchiveSpan
from kiwi_engine.engine.archive.reader import Archive
from kiwi_engine.engine.restore.until import Until, parse_until, require_reachable, show_time
from kiwi_engine.errors import BackupError
from kiwi_engine.testing.crash_fs import CrashFs
from tests.engine.test_backup_manifest import MANIFEST

BACKUP_MS = MANIFEST.committed_ms


def archive(*spans: tuple[int, int]) -> Archive:
    fs = CrashFs()
    for span in spans:
        fs.create(f"/{ArchiveSpan(*span).name}").close()
    return Archive(fs, "")


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("1042", Until(lsn=1042)),
        ("@1700000000", Until(time_ms=1_700_000_000_000)),
        ("@1700000000.25", Until(time_ms=1_700_000_000_250)),
        ("2023-11-14T22:13:20", Until(time_ms=1_700_000_000_000)),
        ("2023-11-14T22:13:20+00:00", Until(time_ms=1_700_000_000_000)),
        ("2023-11-14T23:13:20.5+01:00", Until(time_ms=1_700_000_000_500)),
        (show_time(1_700_000_000_123), Until(time_ms=1_700_000_000_123)),
    ],
)
def test_what_people_write(text: str, until: Until) -> None:
    assert parse_until(text) == until


@pytest.mark.parametrize("text", ["", "now", "@", "@nan", "@inf", "-5", "1e3", "2023-13-01", "²"])
def test_what_is_neither_an_lsn_nor_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="expected an LSN"):
        parse_until(text)


def test_where_the_replay_ends() -> None:
    assert not Until().ends_before(10**9, 10**15)
    assert [Until(lsn=7).ends_before(lsn, 0) for lsn in (6, 7, 8)] == [False, False, True]
    ends = [Until(time_ms=70).ends_before(1, moment) for moment in (69, 70, 71)]
    assert ends == [False, False, True]


@pytest.mark.parametrize(
    ("until", "spans", "reason"),
    [
        (Until(lsn=1041), [(1, 2000)], "takes a backup made before that"),
        (Until(time_ms=BACKUP_MS - 1), [(1, 2000)], "takes a backup made before that"),
        (Until(lsn=1043), None, "takes --archive"),
        (Until(time_ms=BACKUP_MS), None, "takes --archive"),
        (Until(lsn=1050), [(1000, 1049)], "ends at LSN 1049, before 1050"),
        (Until(lsn=1050), [], "ends at LSN 0, before 1050"),
        (Until(), [(1044, 1050)], "the records between are missing"),
    ],
)
def test_what_cannot_be_had(until: Until, spans: list[tuple[int, int]] | None, reason: str) -> None:
    found = None if spans is None else archive(*spans)
    with pytest.raises(BackupError, match=reason):
        require_reachable(until, MANIFEST, found)


def test_what_can_be_had() -> None:
    for until, found in [
        (Until(), None),
        (Until(lsn=1042), None),
        (Until(), archive()),
        (Until(), archive((1, 500))),
        (Until(lsn=1050), archive((1043, 1050))),
        (Until(time_ms=BACKUP_MS), archive((1, 1045), (1046, 1050))),
    ]:
        require_reachable(until, MANIFEST, found)


def test_without_the_time_of_the_last_record_that_of_the_backup_counts() -> None:
    manifest = msgspec.structs.replace(MANIFEST, committed_ms=0)
    require_reachable(Until(time_ms=MANIFEST.taken_ms), manifest, archive())
    with pytest.raises(BackupError, match="takes a backup made before that"):
        require_reachable(Until(time_ms=MANIFEST.taken_ms - 1), manifest, archive())

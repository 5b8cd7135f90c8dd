"""Checking a backup as it lies there (shell; reads only, bounded memory)."""

from __future__ import annotations

import msgspec

from kiwi_engine.engine.backup.file_copy import CountingProgress, Pace, checksum_file
from kiwi_engine.engine.backup.manifest import FILES, MANIFEST, BackupFile, Manifest
from kiwi_engine.engine.backup.target import read_manifest
from kiwi_engine.engine.inspection.progress import Progress
from kiwi_engine.engine.inspection.report import Finding, Findings, Verdict
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.protocol import FileSystem


class BackupVerification(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `manifest` is None where it is damaged; then nothing else was read."""

    path: str
    manifest: Manifest | None
    files_checked: int
    bytes_checked: int
    findings: tuple[Finding, ...]
    findings_left_out: int
    verdict: Verdict


def is_backup(fs: FileSystem, path: str) -> bool:
    """Whether the directory `path` is a backup rather than a data directory."""
    return fs.exists(f"{path}/{MANIFEST}")


def verify_backup(fs: FileSystem, path: str, progress: Progress) -> BackupVerification:
    """Read every byte of the backup at `path` and compare it with the manifest.

    `BackupError` if there is no backup, `LayoutError` if another version made it. Damage is never
    raised, it is among the findings.
    """
    findings = Findings()
    try:
        manifest = read_manifest(fs, path)
    except CorruptionError as damage:
        findings.add("corruption", damage.path, damage.offset, damage.reason)
        return _verification(path, None, findings)
    counting = CountingProgress(progress)
    counting.start("backup", manifest.total_bytes)
    for file in manifest.files:
        _check(fs, f"{path}/{FILES}/{file.stored}", file, findings, counting.add)
    _note_left_over(fs, path, manifest, findings)
    return _verification(path, manifest, findings)


def _check(fs: FileSystem, path: str, file: BackupFile, findings: Findings, pace: Pace) -> None:
    try:
        if fs.size(path) > file.bytes:
            reason = f"the file is longer than the {file.bytes} bytes of the manifest"
            findings.add("corruption", path, file.bytes, reason)
        elif checksum_file(fs, path, file.bytes, pace) != file.crc32c:
            findings.add("corruption", path, 0, f"{file.name}: file checksum mismatch")
    except FileNotFoundError:
        findings.add("corruption", path, 0, f"{file.name}: the file is missing")
    except CorruptionError as damage:
        findings.add("corruption", damage.path, damage.offset, damage.reason)
    except OSError as error:
        findings.add("unreadable", path, 0, str(error))


def _note_left_over(fs: FileSystem, path: str, manifest: Manifest, findings: Findings) -> None:
    named = {file.stored for file in manifest.files}
    for name in fs.list_directory(f"{path}/{FILES}"):
        if name not in named:
            reason = "left over from a backup that was cut off; the next one removes it"
            findings.add("note", f"{path}/{FILES}/{name}", 0, reason)


def _verification(path: str, manifest: Manifest | None, findings: Findings) -> BackupVerification:
    return BackupVerification(
        path=path,
        manifest=manifest,
        files_checked=len(manifest.files) if manifest else 0,
        bytes_checked=manifest.total_bytes if manifest else 0,
        findings=findings.all(),
        findings_left_out=findings.left_out,
        verdict=findings.verdict,
    )

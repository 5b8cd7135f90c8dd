"""The directory that backups are kept in (shell; one thread).

    TARGET/BACKUP        the manifest: names every file of the backup
    TARGET/BACKUP.new    a manifest being written
    TARGET/files/        NAME.BYTES.CHECKSUM, each complete and durable before a manifest names it
    TARGET/files/copying the file being copied
    TARGET/LOCK          held while a backup is being written

A new backup adds the files that the last one lacks, replaces the manifest in one step and then
removes what only the old one named. So at every moment, also after a crash, the manifest names a
whole backup: the old one or the new one. What no manifest names is left over, and is removed.
"""

from __future__ import annotations

import errno
from typing import Final

import msgspec

from kiwi_engine.engine.backup.checkpoint import SourceFile
from kiwi_engine.engine.backup.file_copy import Pace, checksum_file, copy_file
from kiwi_engine.engine.backup.manifest import (
    FILES,
    MANIFEST,
    MANIFEST_DRAFT,
    BackupFile,
    Manifest,
    decode_manifest,
    encode_manifest,
    stored_name,
)
from kiwi_engine.errors import BackupError
from kiwi_engine.failpoints import hit
from kiwi_engine.fs.posix import LOCK_NAME
from kiwi_engine.fs.protocol import FileSystem

_COPYING: Final = "copying"
# Different file systems, none that can link, too many links to one file, a foreign owner.
_CANNOT_LINK: Final = frozenset(
    {errno.EXDEV, errno.EOPNOTSUPP, errno.EMLINK, errno.EPERM, errno.ENOSYS}
)
_OWN_NAMES: Final = frozenset({MANIFEST, MANIFEST_DRAFT, FILES, LOCK_NAME})


def read_manifest(fs: FileSystem, path: str) -> Manifest:
    """The manifest of the backup at `path`; `BackupError` if there is no backup.

    `CorruptionError` where it is damaged, `LayoutError` where another version made it.
    """
    manifest = f"{path}/{MANIFEST}"
    if not fs.exists(manifest):
        unfinished = fs.exists(f"{path}/{MANIFEST_DRAFT}")
        why = ", only the beginning of one" if unfinished else ""
        raise BackupError(f"{path} holds no backup{why}: there is no file {MANIFEST}")
    file = fs.open(manifest, writable=False)
    try:
        return decode_manifest(file.pread(file.size(), 0), manifest)
    finally:
        file.close()


class BackupTarget:
    """One backup being written to the directory `path`. `reused_bytes` were there already."""

    def __init__(self, fs: FileSystem, path: str, identity: str, *, incremental: bool) -> None:
        """Take the directory over; `BackupError` says why that cannot be.

        It must not exist, be empty or hold a backup that was never finished; if `incremental`, it
        may hold an earlier backup of the engine with this `identity`.
        """
        self._fs = fs
        self._path = path
        self._files = f"{path}/{FILES}"
        self.previous = _require_usable(fs, path, identity, incremental=incremental)
        self.reused_bytes = 0
        self._added: list[BackupFile] = []
        self._known = {(f.name, f.bytes): f for f in self.previous.files} if self.previous else {}
        parent, _, name = path.rpartition("/")
        assert name, "a path without a slash at its end"
        fs.make_directory(path)
        fs.sync_directory(parent or "/")
        self._lock = fs.lock_directory(path)
        try:
            self._begin()
        except BaseException:
            self._lock.release()
            raise

    def add(self, source: SourceFile, pace: Pace) -> None:
        """Have a file in the backup: keep it, link it or copy it."""
        hit("backup-copy")
        known = self._known.get((source.name, source.bytes))
        if known is None and not source.sharable:
            checksum = self._copy(source, pace)
        else:
            checksum = checksum_file(self._fs, source.path, source.bytes, pace)
            if known is not None and known.crc32c == checksum and self._is_there(known):
                self._added.append(known)
                self.reused_bytes += known.bytes
                return
            self._link_or_copy(source, checksum, pace)
        stored = stored_name(source.name, source.bytes, checksum)
        self._added.append(BackupFile(source.name, stored, source.bytes, checksum))

    def publish(self, manifest: Manifest) -> Manifest:
        """Make what was added the backup, and remove what only the last one had.

        `manifest` is complete but for its files. Returns it with them.
        """
        fs, draft = self._fs, f"{self._path}/{MANIFEST_DRAFT}"
        manifest = _with_files(manifest, self._added)
        fs.sync_directory(self._files)
        self._write_draft(draft, encode_manifest(manifest))
        hit("backup-manifest")
        fs.rename(draft, f"{self._path}/{MANIFEST}")
        fs.sync_directory(self._path)
        self._remove_unnamed(manifest)
        return manifest

    def close(self) -> None:
        """Let go of the directory; without `publish` it holds what it held."""
        self._lock.release()

    def _begin(self) -> None:
        """Mark the directory as ours, and clear what an attempt before this one left."""
        fs, draft = self._fs, f"{self._path}/{MANIFEST_DRAFT}"
        if not fs.exists(draft):
            fs.create(draft).close()
        # Before there is anything else in it: see `_require_usable`.
        fs.sync_directory(self._path)
        fs.make_directory(self._files)
        fs.sync_directory(self._path)
        self._remove_unnamed(self.previous)

    def _is_there(self, known: BackupFile) -> bool:
        path = f"{self._files}/{known.stored}"
        return self._fs.exists(path) and self._fs.size(path) == known.bytes

    def _write_draft(self, path: str, content: bytes) -> None:
        """It is never missing while there is no manifest: so it is not made anew."""
        file = self._fs.open(path, writable=True)
        try:
            file.truncate(0)
            file.pwritev((content,), 0)
            file.datasync()
        finally:
            file.close()

    def _copy(self, source: SourceFile, pace: Pace) -> int:
        # What an earlier attempt left of it was removed at the beginning.
        draft = f"{self._files}/{_COPYING}"
        checksum = copy_file(self._fs, source.path, draft, source.bytes, pace)
        self._fs.rename(draft, self._stored(source, checksum))
        return checksum

    def _link_or_copy(self, source: SourceFile, checksum: int, pace: Pace) -> None:
        fs, stored = self._fs, self._stored(source, checksum)
        if source.sharable and _was_linked(fs, source.path, stored):
            self._make_durable(stored)
        elif self._copy(source, pace) != checksum:
            raise BackupError(f"{source.path} changed while it was copied")

    def _stored(self, source: SourceFile, checksum: int) -> str:
        return f"{self._files}/{stored_name(source.name, source.bytes, checksum)}"

    def _make_durable(self, path: str) -> None:
        file = self._fs.open(path, writable=False)
        try:
            file.datasync()
        finally:
            file.close()

    def _remove_unnamed(self, manifest: Manifest | None) -> None:
        named = {file.stored for file in manifest.files} if manifest else set[str]()
        for name in self._fs.list_directory(self._files):
            if name not in named:
                self._fs.remove(f"{self._files}/{name}")


def _was_linked(fs: FileSystem, source: str, target: str) -> bool:
    """Whether the file system could do it."""
    try:
        fs.link(source, target)
    except OSError as error:
        if error.errno in _CANNOT_LINK:
            return False
        raise
    return True


def _require_usable(
    fs: FileSystem, path: str, identity: str, *, incremental: bool
) -> Manifest | None:
    """The backup that `path` holds, if it holds one that may be added to."""
    names = _names_in(fs, path)
    if MANIFEST in names:
        if not incremental:
            raise BackupError(f"{path} holds a backup already; --incremental would renew it")
        manifest = read_manifest(fs, path)
        if manifest.identity != identity:
            raise BackupError(
                f"{path} holds a backup of another data directory "
                f"(identity {manifest.identity}, not {identity})"
            )
        return manifest
    if MANIFEST_DRAFT not in names and names - {LOCK_NAME}:
        raise BackupError(f"{path} is not empty and holds no backup")
    if foreign := names - _OWN_NAMES:
        raise BackupError(f"{path} holds {min(foreign)}, which is no part of a backup")
    return None


def _names_in(fs: FileSystem, path: str) -> set[str]:
    try:
        return set(fs.list_directory(path))
    except NotADirectoryError:
        raise BackupError(f"{path} is not a directory") from None


def _with_files(manifest: Manifest, files: list[BackupFile]) -> Manifest:
    return msgspec.structs.replace(manifest, files=tuple(files))

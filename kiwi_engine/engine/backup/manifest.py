"""The manifest of a backup: what it holds, and of whom (pure codec).

    kiwi-engine backup
    {"format":1,"identity":"4f6c...","last_lsn":1042, ... ,"files":[...]}
    crc32c 1a2b3c4d

The checksum covers the lines before it. A backup is the files that its manifest names, and nothing
else that may lie beside them. Specified in docs/formats/backup.md.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kiwi_engine.checksum import crc32c
from kiwi_engine.engine.layout import Layout
from kiwi_engine.errors import CorruptionError, LayoutError

BACKUP_FORMAT: Final = 1
MANIFEST: Final = "BACKUP"
# Being written; also what tells a first backup that was cut off from a directory of somebody else.
MANIFEST_DRAFT: Final = "BACKUP.new"
FILES: Final = "files"
_TITLE: Final = b"kiwi-engine backup\n"


class BackupFile(msgspec.Struct, frozen=True):
    """`name`: its path in a data directory. `stored`: its name among the files of the backup."""

    name: str
    stored: str
    bytes: int
    crc32c: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One backup. Times are milliseconds since the Unix epoch.

    The backup is the state after the record `last_lsn`, which was made at `committed_ms` (0 where
    that is not known: the record was no longer in the log). `taken_ms`: when that was the last
    durable record. `applied_lsn`: at least so much is in the index that the backup holds.
    """

    format: int = BACKUP_FORMAT
    identity: str
    last_lsn: int
    applied_lsn: int
    committed_ms: int
    taken_ms: int
    made_by: str
    layout: Layout
    files: tuple[BackupFile, ...]

    @property
    def total_bytes(self) -> int:
        """The size of all files."""
        return sum(file.bytes for file in self.files)


class _Versioned(msgspec.Struct):
    """What every version of the manifest begins with."""

    format: int


def stored_name(name: str, length: int, checksum: int) -> str:
    """What a file is called in the backup: two contents of one name lie side by side."""
    return f"{name.replace('/', '-')}.{length}.{checksum:08x}"


def encode_manifest(manifest: Manifest) -> bytes:
    """The content of the manifest file."""
    body = _TITLE + msgspec.json.encode(manifest) + b"\n"
    return body + b"crc32c %08x\n" % crc32c(body)


def decode_manifest(content: bytes, path: str) -> Manifest:
    """Inverse of `encode_manifest`.

    `CorruptionError` if it is not one, `LayoutError` if another version of this program made it.
    """
    body, found, line = content.rpartition(b"crc32c ")
    if not found or line != b"%08x\n" % crc32c(body) or not body.startswith(_TITLE):
        raise CorruptionError(path, 0, "not a backup manifest, or its checksum does not match")
    text = body[len(_TITLE) :]
    try:
        version = msgspec.json.decode(text, type=_Versioned).format
        if version != BACKUP_FORMAT:
            raise LayoutError(
                f"{path} has backup format version {version}; this build reads {BACKUP_FORMAT}"
            )
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise CorruptionError(path, len(_TITLE), str(error)) from error

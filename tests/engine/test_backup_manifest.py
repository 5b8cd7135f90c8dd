"""The manifest of a backup; the example of docs/formats/backup.md is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kiwi_engine.checksum import crc32c
from kiwi_engine.engine.backup.manifest import (
    BackupFile,
    Manifest,
    decode_manifest,
    encode_manifest,
    stored_name,
)
from kiwi_engine.engine.layout import Layout
from kiwi_engine.errors import CorruptionError, LayoutError

IDENTITY = "00112233445566778899aabbccddeeff"
DOCUMENT = Path(__file__).parents[2] / "docs" / "formats" / "backup.md"


def file(name: str, length: int, checksum: int) -> BackupFile:
    return BackupFile(name, stored_name(name, length, checksum), length, checksum)


MANIFEST = Manifest(
    identity=IDENTITY,
    last_lsn=1042,
    applied_lsn=1000,
    committed_ms=1_700_000_000_000,
    taken_ms=1_700_000_000_123,
    made_by="Kiwi Engine 0.1.0",
    layout=Layout(identity=IDENTITY),
    files=(file("index/000011.sst", 4096, 0x1A2B3C4D), file("wal/0000000004.wal", 912, 0x5E6F7081)),
)


def test_the_documented_example() -> None:
    found = re.search(r"```json\n(.*?\n)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    title, line, checksum = encode_manifest(MANIFEST).splitlines(keepends=True)
    assert (title, line) == (b"kiwi-engine backup\n", found[1].encode())
    assert checksum == b"crc32c %08x\n" % crc32c(title + line)


def test_a_manifest_keeps_its_fields() -> None:
    assert decode_manifest(encode_manifest(MANIFEST), "BACKUP") == MANIFEST
    assert MANIFEST.total_bytes == 5008


def test_every_flipped_byte_and_every_cut_is_found() -> None:
    content = encode_manifest(MANIFEST)
    for at in range(len(content)):
        damaged = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        for wrong in (damaged, content[:at]):
            with pytest.raises(CorruptionError):
                decode_manifest(wrong, "BACKUP")


def with_checksum(line: bytes) -> bytes:
    body = b"kiwi-engine backup\n" + line + b"\n"
    return body + b"crc32c %08x\n" % crc32c(body)


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(LayoutError, match="backup format version 2; this build reads 1"):
        decode_manifest(with_checksum(b'{"format":2,"anything":[]}'), "BACKUP")
    with pytest.raises(CorruptionError, match="identity"):
        decode_manifest(with_checksum(b'{"format":1}'), "BACKUP")

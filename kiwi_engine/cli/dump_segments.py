"""The contents of one segment file as items to print (shell; reads only, bounded memory)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from kiwi_engine.cli.describe import describe_key, format_moment, quote
from kiwi_engine.commit.changes import Changes, decode_changes
from kiwi_engine.engine.archive.format import (
    ARCHIVE_HEADER_BYTES,
    SUFFIX,
    ArchiveSpan,
    spans_among,
)
from kiwi_engine.engine.archive.reader import ArchiveFile
from kiwi_engine.engine.inspection.report import ending_word
from kiwi_engine.engine.stored import head_of
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.segment_format import CleanEnd, Corruption, Ending, TornTail
from kiwi_engine.vlog.format import POINTER_BYTES, VLOG, decode_pointer
from kiwi_engine.vlog.segment import ValueSegmentReader
from kiwi_engine.vlog.separated import Separated
from kiwi_engine.wal.format import WAL, Record
from kiwi_engine.wal.reader import judge_end
from kiwi_engine.wal.segment import SegmentReader


class Item(NamedTuple):
    """One thing in a segment: for people, and (bytes as hexadecimal) for programs."""

    text: str
    facts: dict[str, Any]


def dump_segment(path: str, bytes_max: int) -> Iterator[Item]:
    """The segment at `path`: its name, its records or entries, and how it ends.

    The last item has an `ending` of clean, torn tail or corruption, which is judged as if this were
    the last segment of its log. `ValueError` if the name is not that of a segment.
    """
    dumps = {WAL: _dump_log, VLOG: _dump_values}
    for kind, dump in dumps.items():
        if kind.numbers([os.path.basename(path)]):
            return dump(path, bytes_max)
    if spans := spans_among([os.path.basename(path)]):
        return _dump_archive(path, spans[0], bytes_max)
    raise ValueError(
        f"{path} is not named like a segment (ten digits, {WAL.suffix} or {VLOG.suffix}) "
        f"or like a file of an archive (FIRST-LAST{SUFFIX})"
    )


def _dump_log(path: str, bytes_max: int) -> Iterator[Item]:
    try:
        segment = SegmentReader(PosixFileSystem(), path)
    except CorruptionError as damage:
        yield _end(Corruption(damage.path, damage.offset, damage.reason))
        return
    with segment:
        yield _title("commit log", segment.number, segment.size)
        next_lsn = 0
        for record in segment.records():
            next_lsn = record.lsn + 1
            yield _record(record, bytes_max)
        yield _end(judge_end(segment, next_lsn))


def _dump_archive(path: str, span: ArchiveSpan, bytes_max: int) -> Iterator[Item]:
    offset = ARCHIVE_HEADER_BYTES
    try:
        file = ArchiveFile(PosixFileSystem(), path, span)
        facts = {"log": "log archive", "identity": file.identity, **span._asdict()}
        yield Item(
            f"log archive of {file.identity}, LSN {span.first_lsn} to {span.last_lsn}", facts
        )
        for record in file.records():
            title = f"LSN {record.lsn}  offset {offset}  {record.end - offset} bytes"
            place = {"lsn": record.lsn, "offset": offset, "bytes": record.end - offset}
            yield _changes(record.changes, title, place, bytes_max)
            offset = record.end
    except CorruptionError as damage:
        yield _end(Corruption(damage.path, damage.offset, damage.reason))
    else:
        yield _end(CleanEnd(path, offset))


def _dump_values(path: str, bytes_max: int) -> Iterator[Item]:
    fs = PosixFileSystem()
    reader = ValueSegmentReader(fs, path)
    yield _title("value log", VLOG.number(path), fs.size(path))
    for entry in reader.entries():
        pointer = entry.pointer
        how = "zstd" if entry.compressed else "plain"
        yield Item(
            f"offset {pointer.offset}  LSN {entry.lsn}  {pointer.raw_bytes} bytes, {how}, "
            f"{pointer.entry_bytes} stored  {describe_key(entry.key, bytes_max)}",
            {
                "offset": pointer.offset,
                "lsn": entry.lsn,
                "key": entry.key[:bytes_max].hex(),
                "value_bytes": pointer.raw_bytes,
                "entry_bytes": pointer.entry_bytes,
                "compressed": entry.compressed,
            },
        )
    assert reader.ending is not None, "the reader was exhausted"
    yield _end(reader.ending)


def _title(words: str, number: int, size: int) -> Item:
    facts = {"segment": number, "log": words, "file_bytes": size}
    return Item(f"{words} segment {number}, {size} bytes", facts)


def _end(ending: Ending) -> Item:
    reason = "" if not isinstance(ending, TornTail | Corruption) else ending.reason
    word = ending_word(ending)
    text = f"end: {word} at offset {ending.offset}" + (f": {reason}" if reason else "")
    return Item(text, {"ending": word, "offset": ending.offset, "reason": reason})


def _record(record: Record, bytes_max: int) -> Item:
    size = record.end - record.offset
    title = f"LSN {record.lsn}  offset {record.offset}  {size} bytes  synced {record.synced}"
    facts: dict[str, Any] = {
        "lsn": record.lsn,
        "offset": record.offset,
        "bytes": size,
        "synced": record.synced,
    }
    try:
        changes = decode_changes(record.payload)
    except ValueError as error:
        return Item(f"{title}\n    {error}", facts | {"error": str(error)})
    return _changes(changes, title, facts, bytes_max)


def _changes(changes: Changes, title: str, facts: dict[str, Any], bytes_max: int) -> Item:
    title += f"  {format_moment(changes.committed_ms)}"
    facts = facts | {"committed_ms": changes.committed_ms}
    items = [_deleted_range(begin, end, bytes_max) for begin, end in changes.ranges]
    items += [_change(key, entry, bytes_max) for key, entry in changes.entries.items()]
    text = "\n    ".join([title, *(item.text for item in items)])
    return Item(text, facts | {"changes": [item.facts for item in items]})


def _deleted_range(begin: bytes, end: bytes, bytes_max: int) -> Item:
    shown = f"{quote(begin, bytes_max)} to {quote(end, bytes_max)}"
    facts = {"delete_range": [begin[:bytes_max].hex(), end[:bytes_max].hex()]}
    return Item(f"delete range {shown}", facts)


def _change(key: bytes, entry: Any, bytes_max: int) -> Item:
    what, key_hex = describe_key(key, bytes_max), key[:bytes_max].hex()
    if entry is None:
        return Item(f"delete {what}", {"delete": key_hex})
    head = head_of(entry)
    facts: dict[str, Any] = {"put": key_hex, "value": head[:bytes_max].hex()}
    if isinstance(entry, Separated) and len(entry.pointer) == POINTER_BYTES:
        pointer = decode_pointer(entry.pointer)
        place = f"value log segment {pointer.segment} offset {pointer.offset}"
        facts |= {"pointer": pointer._asdict(), "value_bytes": pointer.raw_bytes}
        return Item(f"put {what} = {pointer.raw_bytes} bytes in {place}", facts)
    return Item(f"put {what} = {quote(head, bytes_max)}", facts | {"value_bytes": len(head)})

"""The facts of a data directory that no server has open, named as INFO names them (shell).

Reads only. Counts of keys are those of the index: of the state at the applied LSN, since the log
behind it is not replayed here. Raises what `engine.inspection.inspect` raises, and
`CorruptionError`.
"""

from __future__ import annotations

from kiwi_engine.cli.facts import Facts, Scalar
from kiwi_engine.engine.inspection.index import open_index, read_state
from kiwi_engine.engine.inspection.owner import owner_of
from kiwi_engine.engine.layout import Paths, check_layout, read_layout
from kiwi_engine.engine.state import IndexState
from kiwi_engine.engine.stored import decode_stored, head_of
from kiwi_engine.errors import CorruptionError
from kiwi_engine.fs.posix import PosixFileSystem
from kiwi_engine.fs.protocol import FileSystem
from kiwi_engine.fs.segment_format import TornTail
from kiwi_engine.index.protocol import Index
from kiwi_engine.index.rocks import RocksIndex
from kiwi_engine.keyspace.encoding import (
    META_NAMESPACES,
    decode_namespaces,
    expires_counter,
    keys_counter,
)
from kiwi_engine.vlog.discard import DiscardTable
from kiwi_engine.vlog.format import VLOG
from kiwi_engine.wal.format import RECYCLED, WAL
from kiwi_engine.wal.reader import LogReader
from kiwi_engine.wal.segment import peek_first_lsn

_Section = dict[str, Scalar | dict[str, Scalar]]


def directory_facts(directory: str) -> Facts:
    """Sections directory, persistence, valuelog, rocksdb and keyspace."""
    fs, paths = PosixFileSystem(), Paths(directory)
    layout = read_layout(fs, paths)
    if layout is None:
        raise NotADirectoryError(f"{directory} is not a Kiwi Engine data directory")
    check_layout(layout, paths.layout)
    versions: _Section = {
        f"format_{name}": getattr(layout, name)
        for name in layout.__struct_fields__
        if name != "identity"
    }
    index = open_index(paths.index)
    try:
        state = read_state(index) if index else IndexState()
        return {
            "directory": {
                "path": directory,
                "identity": layout.identity,
                "in_use_by": owner_of(directory) or 0,
                **versions,
            },
            "persistence": _persistence(fs, paths.wal, state.applied_lsn),
            "valuelog": _value_log(fs, paths.values, state),
            "rocksdb": _index(index) if index else {},
            "keyspace": _keyspace(index, state) if index else {},
        }
    finally:
        if index:
            index.close()


def _persistence(fs: FileSystem, directory: str, applied_lsn: int) -> _Section:
    names = fs.list_directory(directory)
    reader = LogReader(fs, directory)
    last_lsn = max((record.lsn for record in reader.records(applied_lsn)), default=0)
    position = reader.position
    if position is None:
        assert reader.ending is not None, "the reader was exhausted"
        raise CorruptionError(*reader.ending)
    paths = [WAL.path(directory, number) for number in reader.numbers]
    torn = reader.ending if isinstance(reader.ending, TornTail) else None
    return {
        "written_lsn": max(last_lsn, position.last_lsn),
        "applied_lsn": applied_lsn,
        "retained_lsn": peek_first_lsn(fs, paths[0]) if paths else 0,
        "wal_segments": len(paths) - len(position.prepared),
        "wal_bytes": sum(map(fs.size, paths)),
        "wal_segments_prepared": len(position.prepared),
        "wal_segments_recycled": len(RECYCLED.numbers(names)),
        "torn_tail": f"{torn.path} at offset {torn.offset}: {torn.reason}" if torn else "",
        "disk_free_bytes": fs.free_bytes(directory),
    }


def _value_log(fs: FileSystem, directory: str, state: IndexState) -> _Section:
    numbers = VLOG.numbers(fs.list_directory(directory))
    return {
        "segments": len(numbers),
        "disk_bytes": sum(fs.size(VLOG.path(directory, number)) for number in numbers),
        "discarded_bytes": DiscardTable.decode(state.discards).total(),
    }


def _index(index: RocksIndex) -> _Section:
    facts = index.facts()
    levels = {f"level{level}_files": count for level, count in enumerate(facts.files_per_level)}
    return {
        "index_version": index.version,
        **levels,
        "table_bytes": facts.table_bytes,
        "estimated_keys": facts.estimated_keys,
    }


def _keyspace(index: Index, state: IndexState) -> _Section:
    stored = index.get(META_NAMESPACES)
    # Without the entry, no database was ever flushed or swapped: each has its own number.
    namespaces: tuple[int, ...] = tuple(range(_databases_counted(state)))
    if stored is not None:
        namespaces = decode_namespaces(head_of(decode_stored(stored))).namespaces
    facts: _Section = {}
    for database, namespace in enumerate(namespaces):
        if keys := state.counters.get(keys_counter(namespace), 0):
            expires = state.counters.get(expires_counter(namespace), 0)
            facts[f"db{database}"] = {"keys": keys, "expires": expires}
    return facts


def _databases_counted(state: IndexState) -> int:
    counted = [int.from_bytes(name[1:], "big") for name in state.counters if name[:1] == b"k"]
    return max(counted, default=-1) + 1

"""Settings of the data types, most of them thresholds of Redis (pure)."""

from __future__ import annotations

from typing import Annotated

from kiwi_engine.config.event_classes import EventClasses
from kiwi_engine.config.kinds import Integer, Size
from kiwi_engine.config.rows import (
    GB,
    INT_MAX,
    KB,
    MB,
    TYPES,
    Row,
)
from kiwi_engine.config.storage_settings import StorageSettings


class TypeSettings(StorageSettings, frozen=True, kw_only=True):
    """One more section of `Settings`."""

    # --- Data types ---
    packed_max_entries: Annotated[
        int,
        Row(
            TYPES,
            Integer(1, 1_000_000, "elements"),
            "Elements up to which a collection is stored as one entry, read and written as a "
            "whole; a larger one is stored element by element.",
            runtime=True,
        ),
    ] = 128
    packed_max_bytes: Annotated[
        int,
        Row(
            TYPES,
            Size(1, 16 * MB),
            "Bytes up to which a collection is stored as one entry; beyond value-threshold each "
            "change would go to the value log.",
            runtime=True,
        ),
    ] = 2000
    paged_min_bytes: Annotated[
        int,
        Row(
            TYPES,
            Size(1, 512 * MB),
            "Size from which on a string that SETBIT and the like change is stored in pages, of "
            "which only those that are not empty take space.",
            runtime=True,
        ),
    ] = 32 * KB
    hash_max_listpack_entries: Annotated[
        int,
        Row(
            TYPES,
            Integer(0, INT_MAX, "elements"),
            "Fields up to which OBJECT ENCODING calls a hash a listpack.",
            runtime=True,
            redis=True,
            alias="hash-max-ziplist-entries",
        ),
    ] = 512
    hash_max_listpack_value: Annotated[
        int,
        Row(
            TYPES,
            Size(0, 1024 * GB),
            "Bytes of each field and value up to which a hash is called a listpack.",
            runtime=True,
            redis=True,
            alias="hash-max-ziplist-value",
        ),
    ] = 64
    set_max_intset_entries: Annotated[
        int,
        Row(
            TYPES,
            Integer(0, INT_MAX, "elements"),
            "Members up to which a set of integers is called an intset.",
            runtime=True,
            redis=True,
        ),
    ] = 512
    set_max_listpack_entries: Annotated[
        int,
        Row(
            TYPES,
            Integer(0, INT_MAX, "elements"),
            "Members up to which a set is called a listpack.",
            runtime=True,
            redis=True,
        ),
    ] = 128
    set_max_listpack_value: Annotated[
        int,
        Row(
            TYPES,
            Size(0, 1024 * GB),
            "Bytes of each member up to which a set is called a listpack.",
            runtime=True,
            redis=True,
        ),
    ] = 64
    zset_max_listpack_entries: Annotated[
        int,
        Row(
            TYPES,
            Integer(0, INT_MAX, "elements"),
            "Members up to which a sorted set is called a listpack.",
            runtime=True,
            redis=True,
            alias="zset-max-ziplist-entries",
        ),
    ] = 128
    zset_max_listpack_value: Annotated[
        int,
        Row(
            TYPES,
            Size(0, 1024 * GB),
            "Bytes of each member up to which a sorted set is called a listpack.",
            runtime=True,
            redis=True,
            alias="zset-max-ziplist-value",
        ),
    ] = 64
    list_max_listpack_size: Annotated[
        int,
        Row(
            TYPES,
            Integer(-(2**31), 2**31 - 1),
            "Elements up to which a list is called a listpack; -1 to -5: 4, 8, 16, 32 or 64 KiB.",
            runtime=True,
            redis=True,
            alias="list-max-ziplist-size",
        ),
    ] = -2
    hll_sparse_max_bytes: Annotated[
        int,
        Row(
            TYPES,
            Size(0, 1024 * GB),
            "Bytes up to which a HyperLogLog is kept in its sparse form.",
            runtime=True,
            redis=True,
        ),
    ] = 3000
    stream_node_max_entries: Annotated[
        int,
        Row(
            TYPES,
            Integer(0, INT_MAX, "entries"),
            "Entries in a node of a stream: trimming with ~ removes whole nodes, and DUMP writes "
            "them; 0: no limit, trimming takes 100.",
            runtime=True,
            redis=True,
        ),
    ] = 100
    stream_node_max_bytes: Annotated[
        int,
        Row(
            TYPES,
            Size(0, 1024 * GB),
            "Bytes in a node of a stream that DUMP writes; 0: no limit.",
            runtime=True,
            redis=True,
        ),
    ] = 4096
    notify_keyspace_events: Annotated[
        str,
        Row(
            TYPES,
            EventClasses(),
            "Which changes of keys are published, and on which channels, see "
            "[notifications](notifications.md); nothing: none.",
            runtime=True,
            redis=True,
        ),
    ] = ""

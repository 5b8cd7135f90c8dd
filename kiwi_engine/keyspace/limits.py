"""How large values may become before they are stored or named differently (pure).

The names are those of the settings. `listpack`, `intset` and `hll_sparse` limits only decide what
OBJECT ENCODING answers and in which order small collections are returned, as in Redis; the `packed`
and `paged` ones decide how a value is stored here. All may change while the server runs, for what
is written from then on.
"""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct):
    """One instance is shared by all databases of a keyspace; sizes are bytes."""

    # A collection with more elements, or more bytes in its root, is spread.
    packed_max_entries: int = 128
    packed_max_bytes: int = 2000
    # A string that a bit or range command makes longer than this is stored in pages.
    paged_min_bytes: int = 32 * 1024
    hash_max_listpack_entries: int = 512
    hash_max_listpack_value: int = 64
    set_max_intset_entries: int = 512
    set_max_listpack_entries: int = 128
    set_max_listpack_value: int = 64
    zset_max_listpack_entries: int = 128
    zset_max_listpack_value: int = 64
    # Positive: elements; -1 to -5: 4, 8, 16, 32 or 64 KiB.
    list_max_listpack_size: int = -2
    hll_sparse_max_bytes: int = 3000
    # Trimming a stream with `~` removes so many entries at once.
    stream_node_max_entries: int = 100
    # With that, how DUMP divides a stream into nodes; 0: no limit.
    stream_node_max_bytes: int = 4096

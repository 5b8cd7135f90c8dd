"""The numbers of RDB's types and versions (pure). Source: Redis' and Valkey's rdb.h."""

from __future__ import annotations

from typing import Final

STRING: Final = 0
LIST: Final = 1
SET: Final = 2
SORTED_SET_TEXT: Final = 3
HASH: Final = 4
SORTED_SET: Final = 5
HASH_ZIPMAP: Final = 9
LIST_ZIPLIST: Final = 10
SET_INTSET: Final = 11
SORTED_SET_ZIPLIST: Final = 12
HASH_ZIPLIST: Final = 13
LIST_QUICKLIST_ZIPLISTS: Final = 14
STREAM_1: Final = 15
HASH_LISTPACK: Final = 16
SORTED_SET_LISTPACK: Final = 17
LIST_QUICKLIST: Final = 18
STREAM_2: Final = 19
SET_LISTPACK: Final = 20
STREAM_3: Final = 21
# From here on, Redis and Valkey have given the same numbers to different types.
HASH_VALKEY: Final = 22  # with field deadlines, since Valkey 9.0
HASH_EXPIRING: Final = 24  # with field deadlines, since Redis 7.4
HASH_EXPIRING_LISTPACK: Final = 25

# What a node of a quicklist is: one long string, or a listpack.
NODE_PLAIN: Final = 1
NODE_PACKED: Final = 2

# The version of a payload says which types may be in it.
VERSION_LISTPACKS: Final = 10  # Redis 7.0
VERSION_LISTPACK_SETS: Final = 11  # Redis 7.2, Valkey 7.2 and 8
VERSION_STREAM_3: Final = 11
VERSION_EXPIRING: Final = 12  # Redis 7.4
VERSION_VALKEY: Final = 80  # Valkey 9.0; its types begin here
VERSION_VALKEY_MAX: Final = 81

NEVER_MS: Final = 2**63  # sorts behind all deadlines

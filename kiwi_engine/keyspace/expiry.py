"""What the databases of one keyspace share about expiry (pure)."""

from __future__ import annotations


class ExpiryState:
    """One owner for the counters and switches of expiry; only the executing thread touches it.

    `may_write` is cleared while the engine refuses writes: an expired key is then absent as ever,
    but its removal waits. The expiry index holds no entry earlier than `floor_ms`; this saves the
    cycle from walking over the remains of all the entries that it ever removed. `expired_fields`
    and `fields_floor_ms` are the same for the fields of hashes.
    """

    __slots__ = ("expired_count", "expired_fields", "fields_floor_ms", "floor_ms", "may_write")

    def __init__(self) -> None:
        self.may_write = True
        self.expired_count = 0
        self.floor_ms = 0
        self.expired_fields = 0
        self.fields_floor_ms = 0

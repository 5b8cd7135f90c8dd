"""ACL LOG: what is one entry, and how it is told."""

from __future__ import annotations

from typing import Any

import hiredis

from kiwi_engine.acl.log import DenialLog, LoggedDenial, Where, entry_reply
from kiwi_engine.acl.permission import Reason


def add(log: DenialLog, subject: bytes, now_ms: int, **other: Any) -> None:
    fields: dict[str, Any] = {
        "reason": Reason.KEY,
        "where": Where.CLIENT,
        "user": b"u",
        "client": b"id=%d" % now_ms,
        **other,
    }
    entries_max = fields.pop("entries_max", 128)
    log.add(LoggedDenial(subject=subject, at_ms=now_ms, **fields), entries_max)


def subjects(log: DenialLog) -> list[tuple[bytes, int]]:
    return [(entry.subject, entry.count) for entry in log.newest(1000)]


def test_equal_denials_are_one_entry() -> None:
    log = DenialLog()
    add(log, b"a", 0)
    add(log, b"b", 10)
    add(log, b"a", 60_000)
    assert subjects(log) == [(b"a", 2), (b"b", 1)]
    (entry,) = log.newest(1)
    assert (entry.created_ms, entry.updated_ms, entry.client) == (0, 60_000, b"id=60000")


def test_what_differs_or_is_late_is_an_entry_of_its_own() -> None:
    log = DenialLog()
    add(log, b"a", 0)
    add(log, b"a", 1, reason=Reason.CHANNEL)
    add(log, b"a", 1, where=Where.SCRIPT)
    add(log, b"a", 1, user=b"v")
    add(log, b"a", 60_001)
    assert len(log.newest(10)) == 5


def test_only_the_newest_entries_are_looked_through() -> None:
    log = DenialLog()
    for number in range(11):
        add(log, b"%d" % number, number)
    add(log, b"1", 20)
    add(log, b"0", 21)
    assert subjects(log)[:3] == [(b"0", 1), (b"1", 2), (b"10", 1)]


def test_old_entries_make_room() -> None:
    log = DenialLog()
    for number in range(5):
        add(log, b"%d" % number, number, entries_max=3)
    assert [entry.number for entry in log.newest(10)] == [4, 3, 2]
    add(log, b"none", 9, entries_max=0)
    assert log.newest(10) == []
    assert log.counts[Reason.KEY] == 6


def test_numbers_go_on_after_a_reset() -> None:
    log = DenialLog()
    add(log, b"a", 0)
    log.clear()
    add(log, b"a", 1)
    assert [entry.number for entry in log.newest(10)] == [1]


def test_an_entry_is_told() -> None:
    log = DenialLog()
    add(log, b"a", 1000, where=Where.TRANSACTION)
    (entry,) = log.newest(1)
    names = [
        b"count", b"reason", b"context", b"object", b"username", b"age-seconds", b"client-info",
        b"entry-id", b"timestamp-created", b"timestamp-last-updated",
    ]  # fmt: skip
    values = [1, b"key", b"multi", b"a", b"u", b"0.25", b"id=1000", 0, 1000, 1000]
    flat = [each for pair in zip(names, values, strict=True) for each in pair]
    assert _parsed(entry_reply(entry, 1250, False)) == flat
    assert b",0.25\r\n" in entry_reply(entry, 1250, True)
    told = dict(zip(names, values, strict=True)) | {b"age-seconds": 0.25}
    assert _parsed(entry_reply(entry, 1250, True)) == told


def _parsed(encoded: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(encoded)
    return reader.gets()

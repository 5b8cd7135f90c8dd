"""The bytes of keys and values, and the worked example of their format document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kiwi_engine.checksum import crc32c_unchecked
from kiwi_engine.commands.context import Context
from kiwi_engine.commands.registry import lookup
from kiwi_engine.keyspace import encoding
from tests.keyspace.helpers import NOW, new_keyspace, new_store

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats" / "keys.md"


def example() -> dict[bytes, bytes]:
    """The entries of the document's example; `...` stands for the rest of the databases."""
    text = DOCUMENT.read_text().partition("## Example")[2]
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    entries = {}
    for key_line, value_line in zip(lines[::2], lines[1::2], strict=True):
        value = "" if "(empty)" in value_line else hex_part(value_line.removeprefix("->"))
        entries[bytes.fromhex(hex_part(key_line))] = bytes.fromhex(value)
    return entries


def hex_part(line: str) -> str:
    match = re.match(r"\s*((?:[0-9a-f]{2,}\s)+)", line + " ")
    assert match, line
    return match[1]


def test_the_documented_example_is_what_is_written() -> None:
    store = new_store()
    keyspace = new_keyspace(store)
    context = Context(keyspace, keyspace.database(0), NOW, resp3=False)
    row = lookup(b"set")
    assert row is not None and row.handler is not None
    row.handler(context, [b"SET", b"greeting", b"hello", b"PXAT", b"1700000000123"])
    keyspace.flush([0])
    stored, documented = store.snapshot(), example()
    assert stored.keys() == documented.keys()
    assert len(documented) == 4
    for key, value in documented.items():
        shown = stored[key][: len(value)] if key == encoding.META_NAMESPACES else stored[key]
        assert shown == value


@pytest.mark.parametrize("key", [b"", b"a", b"\x00\xff", b"x" * 1000])
@pytest.mark.parametrize("namespace", [0, 1, 2**32 - 2])
def test_keys_can_be_taken_apart(key: bytes, namespace: int) -> None:
    prefix = encoding.namespace_prefix(namespace)
    stored = encoding.data_key(prefix, key)
    assert encoding.user_key(stored) == key
    assert encoding.hash_of(stored) == crc32c_unchecked(key)
    assert prefix < stored < encoding.namespace_prefix(namespace + 1)
    entry = encoding.ExpiryEntry(2**63 - 1, namespace, key)
    assert encoding.parse_expiry_key(encoding.expiry_key(*entry)) == entry
    assert encoding.parse_dead_key(encoding.dead_key(namespace)) == namespace


def test_expiry_entries_are_ordered_by_deadline() -> None:
    early, late = encoding.expiry_key(255, 9, b"z"), encoding.expiry_key(256, 0, b"")
    assert early < encoding.expiry_bound(256) < late


def test_dead_entries_lie_in_their_range() -> None:
    for namespace in (0, encoding.NAMESPACE_MAX):
        assert encoding.META_DEAD < encoding.dead_key(namespace) < encoding.META_DEAD_END
    assert not encoding.META_DEAD <= encoding.META_NAMESPACES < encoding.META_DEAD_END


def test_deadlines_come_and_go_without_touching_the_payload() -> None:
    plain = encoding.string_value(b"payload", 0)
    expiring = encoding.string_value(b"payload", 77)
    assert encoding.deadline_of(plain) == 0
    assert encoding.deadline_of(expiring[:16]) == 77
    assert encoding.with_deadline(plain, 77) == expiring
    assert encoding.with_deadline(expiring, 0) == plain
    assert encoding.with_deadline(expiring, 78) == encoding.string_value(b"payload", 78)
    assert encoding.kind_of(plain) == encoding.kind_of(expiring) == 0


def test_the_tally_counts_data_only() -> None:
    key = encoding.data_key(encoding.namespace_prefix(3), b"a")
    keys, expires = encoding.keys_counter(3), encoding.expires_counter(3)
    assert encoding.tally(key, b"\x00") == (keys,)
    assert encoding.tally(key, encoding.string_value(b"", 5)) == (keys, expires)
    assert encoding.tally(encoding.expiry_key(5, 3, b"a"), b"") == ()
    assert encoding.tally(encoding.META_NAMESPACES, b"\x00") == ()


def test_namespace_maps_survive_encoding() -> None:
    mapping = encoding.NamespaceMap(17, (16, 1, 2))
    assert encoding.decode_namespaces(encoding.encode_namespaces(mapping)) == mapping

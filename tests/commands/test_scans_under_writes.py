"""SCAN, HSCAN, SSCAN and ZSCAN while others write.

Redis promises: an element that is there from the first page to the last is returned, and none that
was never there. Both must hold however small the pages are and however elements are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.commands.helpers import Session

# More pages than elements and all that come meanwhile: then a scan does not come to its end.
PAGES_MAX: Final = 400


@dataclass(frozen=True)
class Kind:
    """How elements of one kind come, go, and are scanned; `step` is their size in a page."""

    name: str
    add: str
    remove: str
    scan: str
    step: int = 1


KINDS: Final = (
    Kind("keys", "SET {} value", "DEL {}", "SCAN {cursor} COUNT {count}"),
    Kind("hash", "HSET key {} value", "HDEL key {}", "HSCAN key {cursor} COUNT {count}", 2),
    Kind("set", "SADD key {}", "SREM key {}", "SSCAN key {cursor} COUNT {count}"),
    Kind("sorted set", "ZADD key 1 {}", "ZREM key {}", "ZSCAN key {cursor} COUNT {count}", 2),
)
# Numbers and texts, so that a set may begin as an intset and go on as something else.
elements: Final = st.integers(0, 99).map(str) | st.integers(0, 99).map("e{}".format)


def ask(session: Session, text: str) -> tuple[bytes, list[bytes]]:
    """The reply to a scan: the next cursor, and what was found."""
    reader = hiredis.Reader()
    reader.feed(session.run(text))
    cursor, found = reader.gets()
    return cursor, found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@settings(max_examples=150, derandomize=True)
@given(
    stable=st.sets(elements, min_size=1, max_size=60),
    early=st.sets(elements, max_size=30),
    writes=st.lists(st.tuples(elements, st.booleans()), max_size=60),
    count=st.integers(1, 20),
    packed_max_entries=st.sampled_from([1, 20, 1000]),
)
def test_what_stays_is_returned(
    kind: Kind,
    stable: set[str],
    early: set[str],
    writes: list[tuple[str, bool]],
    count: int,
    packed_max_entries: int,
) -> None:
    session = Session()
    session.keyspace.limits.packed_max_entries = packed_max_entries
    for element in stable | early:
        session.run(kind.add.format(element))
    ever, found = stable | early, set[str]()
    cursor, pending = b"0", list(writes)
    for _ in range(PAGES_MAX):
        cursor, page = ask(session, kind.scan.format(cursor=cursor.decode(), count=count))
        found.update(element.decode() for element in page[:: kind.step])
        if cursor == b"0":
            break
        for element, comes in pending[:5]:
            if element not in stable:
                session.run((kind.add if comes else kind.remove).format(element))
                ever.add(element)
        del pending[:5]
    else:
        pytest.fail("the scan does not come to its end")
    assert stable <= found <= ever

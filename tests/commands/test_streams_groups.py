"""Consumer groups by their replies alone: pending is what was delivered and not acknowledged.

The model believes what XREADGROUP, XCLAIM and XAUTOCLAIM say that they handed out; then XPENDING,
XINFO and the stored entries have to agree with it. Pages and nodes are tiny.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kiwi_engine.keyspace.streams import groups as streams_groups
from kiwi_engine.keyspace.streams.format import decode_consumer, decode_group
from tests.commands.helpers import Session

_ID: Final = re.compile(rb"\$\d+\r\n(\d+-\d+)\r\n")
consumers = st.sampled_from(["a", "b", "ab"])
counts = st.integers(1, 4)
numbers = st.integers(1, 12)


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams_groups, "RANGE_KEYS_MIN", 3)
        patch.setattr(streams_groups, "PAGE_ROWS", 2)
        yield


def ids_in(reply: bytes) -> list[str]:
    return [found.decode() for found in _ID.findall(reply)]


class Groups(RuleBasedStateMachine):
    """`owners` maps what is pending to its consumer; `entries` are those of the stream."""

    @initialize()
    def start(self) -> None:
        self.session = Session()
        self.session.keyspace.limits.stream_node_max_entries = 2
        self.run("xgroup create s g 0 mkstream")
        self.last = 0
        self.entries: list[str] = []
        self.delivered = "0-0"
        self.owners: dict[str, str] = {}
        self.known: set[str] = set()

    def run(self, line: str) -> bytes:
        self.session.now += 1
        reply = self.session.run(line)
        assert not reply.startswith(b"-"), (line, reply)
        return reply

    @rule(count=counts)
    def add(self, count: int) -> None:
        for _ in range(count):
            self.last += 1
            self.entries.append(f"{self.last}-0")
            self.run(f"xadd s {self.last}-0 f v")

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        was_there = f"{number}-0" in self.entries
        assert self.run(f"xdel s {number}-0") == b":%d\r\n" % was_there
        self.entries = [entry for entry in self.entries if entry != f"{number}-0"]

    @rule(length=st.integers(0, 6))
    def trim(self, length: int) -> None:
        gone = max(0, len(self.entries) - length)
        assert self.run(f"xtrim s maxlen {length}") == b":%d\r\n" % gone
        self.entries = self.entries[gone:]

    @rule(consumer=consumers, count=counts, noack=st.sampled_from(["", "noack "]))
    def read(self, consumer: str, count: int, noack: str) -> None:
        fresh = [entry for entry in self.entries if order(entry) > order(self.delivered)][:count]
        reply = self.run(f"xreadgroup group g {consumer} count {count} {noack}streams s >")
        assert ids_in(reply) == fresh
        self.known.add(consumer)
        if fresh:
            self.delivered = fresh[-1]
        if not noack:
            self.owners |= dict.fromkeys(fresh, consumer)

    @rule(consumer=consumers)
    def read_again(self, consumer: str) -> None:
        mine = sorted((one for one, owner in self.owners.items() if owner == consumer), key=order)
        assert ids_in(self.run(f"xreadgroup group g {consumer} streams s 0")) == mine
        self.known.add(consumer)

    @rule(number=st.integers(0, 12))
    def go_back(self, number: int) -> None:
        self.run(f"xgroup setid s g {number}")
        self.delivered = f"{number}-0"

    @rule(chosen=st.lists(numbers, min_size=1, max_size=4))
    def acknowledge(self, chosen: list[int]) -> None:
        pending = {f"{number}-0" for number in chosen} & self.owners.keys()
        reply = self.run("xack s g " + " ".join(f"{number}-0" for number in chosen))
        assert reply == b":%d\r\n" % len(pending)
        for entry in pending:
            del self.owners[entry]

    @rule(consumer=consumers, chosen=st.lists(numbers, min_size=1, max_size=4), force=st.booleans())
    def claim(self, consumer: str, chosen: list[int], force: bool) -> None:
        wanted = [f"{number}-0" for number in chosen]
        option = " force" if force else ""
        taken = ids_in(self.run(f"xclaim s g {consumer} 0 {' '.join(wanted)} justid{option}"))
        there = [entry for entry in wanted if entry in self.entries]
        assert taken == [entry for entry in there if force or entry in self.owners]
        for entry in set(wanted) - set(there):
            self.owners.pop(entry, None)
        self.owners |= dict.fromkeys(taken, consumer)
        self.known.add(consumer)

    @rule(consumer=consumers, start=numbers, count=counts)
    def claim_all(self, consumer: str, start: int, count: int) -> None:
        due = [entry for entry in sorted(self.owners, key=order) if order(entry) >= (start, 0)]
        reply = self.run(f"xautoclaim s g {consumer} 0 {start} count {count} justid")
        cursor, *found = ids_in(reply)
        assert sorted(found, key=order) == due[:count]
        assert cursor == (due[count] if len(due) > count else "0-0")
        for entry in found:
            if entry in self.entries:
                self.owners[entry] = consumer
            else:
                del self.owners[entry]
        self.known.add(consumer)

    @rule(consumer=consumers)
    def remove_consumer(self, consumer: str) -> None:
        mine = [entry for entry, owner in self.owners.items() if owner == consumer]
        assert self.run(f"xgroup delconsumer s g {consumer}") == b":%d\r\n" % len(mine)
        for entry in mine:
            del self.owners[entry]
        self.known.discard(consumer)

    @invariant()
    def what_is_pending_is_what_the_model_says(self) -> None:
        reply = self.session.run("xpending s g - + 100")
        assert ids_in(reply) == sorted(self.owners, key=order)
        for consumer in ("a", "b", "ab"):
            mine = [entry for entry, owner in self.owners.items() if owner == consumer]
            shown = ids_in(self.session.run(f"xpending s g - + 100 {consumer}"))
            assert shown == sorted(mine, key=order)

    @invariant()
    def the_stored_counts_are_those_of_the_entries(self) -> None:
        rows = self.session.store.snapshot()
        (group,) = (decode_group(value) for key, value in rows.items() if key[:1] == b"g")
        pending = {key[-16:]: value[16:] for key, value in rows.items() if key[:1] == b"p"}
        assert group.pending == len(pending) == len(self.owners)
        behind_group = 1 + 8 + 4 + 1
        named = [(key[behind_group:], value) for key, value in rows.items() if key[:1] == b"q"]
        told = {key[1:]: decode_consumer(value)[2] for key, value in named if key[:1] == b"c"}
        assert {name.decode() for name in told} == self.known
        assert group.consumers == len(told)
        assert {name: count for name, count in told.items() if count} == Counter(pending.values())
        owned = {key[-16:]: key[5:-16] for key, _ in named if key[:1] == b"p"}
        assert owned == pending


def order(entry: str) -> tuple[int, ...]:
    return tuple(map(int, entry.split("-")))


TestGroupsByTheirReplies = Groups.TestCase
TestGroupsByTheirReplies.settings = settings(
    max_examples=50, stateful_step_count=40, deadline=None, derandomize=True, print_blob=True
)

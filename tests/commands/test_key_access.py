"""What commands do to their keys, where their options decide."""

from __future__ import annotations

import pytest

from kiwi_engine.commands.key_access import access_flags, checked_keys
from kiwi_engine.commands.resolve import resolve
from tests.server.local.fakes import FakeServer

READ = ("RO", "access")
WRITE = ("OW", "update")
BOTH = ("RW", "access", "update")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("get k", [(1, READ)]),
        ("set k v", [(1, WRITE)]),
        ("SET k v ex 10 GET", [(1, BOTH)]),
        ("set k get", [(1, WRITE)]),
        ("bitfield k", [(1, READ)]),
        ("bitfield k get u8 0 overflow sat GET u8 8", [(1, READ)]),
        ("bitfield k get u8 0 set u8 0 1", [(1, BOTH)]),
        ("bitfield k incrby u8 0 1", [(1, BOTH)]),
        ("bitfield k get u8", [(1, BOTH)]),
        ("zunionstore d 2 a b", [(1, WRITE), (3, READ), (4, READ)]),
        ("zunionstore d nonsense a b", []),
        ("zunionstore d 9 a b", []),
        ("object encoding k", [(2, ("RO",))]),
        ("ping", []),
    ],
)
def test_keys_and_what_is_done_to_them(
    call: str, expected: list[tuple[int, tuple[str, ...]]]
) -> None:
    words = call.encode().split()
    found = checked_keys(resolve(words).row, words)
    assert [(place, access_flags(spec, words)) for place, spec in found] == expected


def test_clients_are_told() -> None:
    server = FakeServer()
    answer = server.run(
        server.connect(), "COMMAND", "GETKEYSANDFLAGS", "BITFIELD", "k", "GET", "u8", "0"
    )
    assert answer == b"*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+RO\r\n+access\r\n"

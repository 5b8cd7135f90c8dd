"""Who is let in: places, protected mode, and how a client is called."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.transport.admission import (
    PROTECTED,
    TOO_MANY,
    Peer,
    peer_of,
    refusal,
)

OUTSIDE = peer_of(("192.0.2.7", 4000), ("192.0.2.1", 7379), None)


def test_ends_of_a_connection() -> None:
    assert Peer("192.0.2.7:4000", "192.0.2.1:7379", is_local=False) == OUTSIDE
    assert peer_of(("::1", 5, 0, 0), ("::1", 6, 0, 0), None) == Peer("[::1]:5", "[::1]:6", True)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("12.7.0.0", False),
        ("::ffff:0:1", False),
        ("fe80::1", False),
    ],
)
def test_who_is_on_this_machine(host: str, is_local: bool) -> None:
    assert peer_of((host, 1), (host, 2), None).is_local is is_local


def test_a_unix_socket_has_one_name_for_both_ends() -> None:
    assert peer_of("", "/a", "/a") == Peer("/a:0", "/a:0", is_local=True, is_unix=True)


def test_a_client_that_has_gone_already() -> None:
    """The system no longer knows its address then; it may well have been outside."""
    peer = peer_of(None, ("127.0.0.1", 1), None)
    assert peer == Peer("?:0", "127.0.0.1:1", is_local=False)
    assert why(peer) == PROTECTED


def why(
    peer: Peer, count: int = 0, *, default_needs_password: bool = False, **settings: Any
) -> str | None:
    changed = msgspec.structs.replace(Settings(), **settings)
    return refusal(changed, count, peer, default_needs_password=default_needs_password)


def test_outsiders_need_a_password_or_leave() -> None:
    assert why(OUTSIDE) == PROTECTED
    # A bind address does not switch it off, as it did before Redis 7.
    assert why(OUTSIDE, bind=("192.0.2.1",)) == PROTECTED
    assert why(OUTSIDE, default_needs_password=True) is None
    assert why(OUTSIDE, protected_mode=False) is None
    assert why(peer_of(("127.0.0.1", 1), ("127.0.0.1", 2), None)) is None
    assert why(peer_of("", "/a", "/a")) is None


def test_the_refusal_says_how_to_get_in() -> None:
    assert PROTECTED.startswith("DENIED ")
    for word in ("requirepass", "CONFIG SET protected-mode no", "--protected-mode no"):
        assert word in PROTECTED
    assert "\n" not in PROTECTED


def test_places_are_counted_first() -> None:
    assert why(OUTSIDE, 3, maxclients=3) == TOO_MANY
    assert why(OUTSIDE, 2, maxclients=3) == PROTECTED

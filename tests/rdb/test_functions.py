"""Payloads of FUNCTION DUMP: their bytes, and between Kiwi's codec and real servers."""

from __future__ import annotations

from typing import Final

import pytest

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import functions, kinds, payload
from kiwi_engine.rdb.encode import Encoded
from tests.support.client import Client

CODE: Final = b"#!lua name=lib\nredis.register_function('f', function(keys) return keys[1] end)"
LONG: Final = CODE.replace(b"lib", b"other").replace(b"'f'", b"'g'") + b"\n-- " + b"much " * 5000


@pytest.fixture
def libraries(peer: Client) -> Client:
    """A server without any."""
    assert peer.command("FUNCTION", "FLUSH") == b"OK"
    return peer


def sealed(body: bytes) -> bytes:
    return payload.seal(Encoded(body, kinds.VERSION_LISTPACKS))


def test_the_bytes() -> None:
    assert functions.seal([]).hex() == "0a005d9b5c400f7fa2da", "as Redis 7.0 has it"
    assert functions.seal([b"short"])[:-8] == b"\xf5\x05short\x0a\x00"
    assert functions.unseal(functions.seal([CODE, b"", LONG])) == [CODE, b"", LONG]


def test_a_server_reads_ours(libraries: Client) -> None:
    restored = libraries.command("FUNCTION", "RESTORE", functions.seal([CODE, LONG]))
    assert restored == b"OK"
    assert libraries.command("FCALL", "f", 1, "key") == b"key"
    assert libraries.command("FCALL", "g", 1, "key") == b"key"


def test_we_read_what_a_server_writes(libraries: Client) -> None:
    for code in (CODE, LONG):
        libraries.command("FUNCTION", "LOAD", code)
    dumped = libraries.command("FUNCTION", "DUMP")
    assert payload.is_sound(dumped)
    assert sorted(functions.unseal(dumped)) == sorted([CODE, LONG])


def test_the_bytes_are_those_of_redis(redis: Client) -> None:
    redis.command("FUNCTION", "FLUSH")
    redis.command("FUNCTION", "LOAD", CODE)
    assert redis.command("FUNCTION", "DUMP") == functions.seal([CODE])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x00\x05value", "given type is not a function"),
        (b"\xf6\x05value", "Pre-GA function format not supported"),
        (b"\xf5\x05val", "Failed loading library payload"),
        (b"\xf5\xc3\x01\x7f\x00", "Failed loading library payload"),
        (b"\xf5", "Failed loading library payload"),
    ],
)
def test_broken_payloads(body: bytes, reason: str) -> None:
    with pytest.raises(PayloadError, match=f"^{reason}$"):
        functions.unseal(sealed(body))


def test_what_strings_unfold_to_is_bounded() -> None:
    with pytest.raises(PayloadError):
        functions.unseal(functions.seal([b"a" * 5000]), unfolded_bytes_max=4999)

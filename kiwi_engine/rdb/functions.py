"""What FUNCTION DUMP replies and FUNCTION RESTORE takes: libraries in Redis' own format (pure).

    (245 u8 | string: the code of a library) ... | version u16 | CRC-64 of all before it u64

The version is that of Redis 7.0, the first with functions; the string has the forms of `rdb.wire`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kiwi_engine.errors import PayloadError
from kiwi_engine.rdb import kinds, payload
from kiwi_engine.rdb.encode import Encoded
from kiwi_engine.rdb.wire import UNFOLDED_BYTES_MAX, Reader, Strings

_LIBRARY: Final = 245
_LIBRARY_BEFORE_RELEASE: Final = 246


def seal(codes: Iterable[bytes]) -> bytes:
    """The payload of libraries, by their code."""
    strings = Strings()
    body = b"".join(bytes((_LIBRARY,)) + strings.pack(code) for code in codes)
    return payload.seal(Encoded(body, kinds.VERSION_LISTPACKS))


def unseal(sealed: bytes, unfolded_bytes_max: int = UNFOLDED_BYTES_MAX) -> list[bytes]:
    """The code of each library in a payload that `payload.is_sound`.

    The text of a `PayloadError` is what Redis answers.
    """
    body = payload.body(sealed)
    reader = Reader(body, unfolded_bytes_max)
    codes = []
    while reader.at < len(body):
        kind = reader.byte()
        if kind == _LIBRARY_BEFORE_RELEASE:
            raise PayloadError("Pre-GA function format not supported")
        if kind != _LIBRARY:
            raise PayloadError("given type is not a function")
        try:
            codes.append(reader.string())
        except PayloadError:
            raise PayloadError("Failed loading library payload") from None
    return codes

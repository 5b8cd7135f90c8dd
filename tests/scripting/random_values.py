"""Calls of the libraries of scripts, drawn at random from a seed (pure)."""

from __future__ import annotations

from random import Random
from typing import Final

NUMBERS: Final = (
    "-0", "0", "1e400", "-1E+5", "0.1e-3", "1.", ".5", "-.5", "0x1F", "-0x1.8p3", "inf",
    "-Infinity", "nan", "NaN", "-nan", "nan(x1)", "007", "+1", "1e", "1e+", "0x", "-", "--1",
    "1.5.5", "infx", "0x.8", "0x1p", "1p3", "9007199254740993", "123456789012345678", "1E5", "1_0",
    "tru", "true", "false", "null", "nul", "Null",
)  # fmt: skip
TEXT_PARTS: Final = (
    "a", "é", "\\n", '\\"', "\\\\", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\u0000", "\\ud800",
    "\\udc00x", "\\x", "\\u12", "\t", "\x7f", "\\b", "\\uFFFF", "/", "\x01", "\\", "zz",
)  # fmt: skip
LUA_NUMBERS: Final = (
    "1e15", "2^53", "2^63", "-2^63", "2^64", "1/0", "-1/0", "0/0", "0.5", "1e-320", "3.4e38",
    "3.5e38", "1e-45", "5e-324", "2^31", "-2^31", "-2^31-1", "65535", "65536", "255", "256", "-128",
    "-129", "-32768", "-32769", "4294967295", "4294967296", "1e14", "123456.789", "1.1",
)  # fmt: skip
LUA_TEXTS: Final = (
    '""', "'a'", "'x/y'", '"\\0\\1\\127\\200"', 'string.rep("a",31)', 'string.rep("a",256)',
    '"\\n\\""', '"12"', "'é'",
)  # fmt: skip
LUA_KEYS: Final = ("1", "2", "5", "11", "30", "1.5", "-1", "0", "2^40", "true", "1e3", "'a'")
OTHERS: Final = (
    "true",
    "false",
    "cjson.null",
    "nil",
    "tostring",
    "coroutine.create(function() end)",
)
PACKED_BYTES: Final = bytes.fromhex(
    "909192 8182 a1a3 c0c2c3 cacbcccdcecf d0d1d2d3 d9dadb dcdddedf c4c1"
)
LAYOUTS: Final = (
    "b", "B", "h", "H", "l", "L", "i", "I", "i1", "I2", "i3", "I3", "i5", "i8", "I8", "i16", "I9",
    "i33", "T", "f", "d", "s", "c", "c3", "c0", "x", "<", ">", "!", "!4", "!3", " ", "y", "%", "i0",
)  # fmt: skip
BIT_FUNCTIONS: Final = (
    "tobit", "tohex", "band", "bor", "bxor", "bnot", "lshift", "rshift", "arshift", "rol", "ror",
    "bswap",
)  # fmt: skip
ARGUMENTS: Final = (
    '"abc"', '"12"', '"a\\0b"', "{}", "nil", "2^40", "2^63", "2^64", "-2^65", "1.5", "2.5", "-0.5",
    "0/0", "1/0", '""', "1e-310", '"0x10"', "3e39", "1e-46", "true", "2^51", "2^52+1", "2^53+2",
)  # fmt: skip
DEPTH_MAX: Final = 3


class Draw:
    """Each method draws one thing."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)

    def json(self, depth: int = 0) -> str:
        """A text that is JSON, or nearly."""
        rng = self._rng
        kind = rng.randrange(5)
        if kind < 2 or depth > DEPTH_MAX:
            return rng.choice(NUMBERS) if rng.random() < 0.4 else str(rng.uniform(-1e3, 1e3))
        if kind == 2:
            return self._json_text()
        if kind == 3:
            elements = [self.json(depth + 1) for _ in range(rng.randrange(4))]
            return "[" + self._separator(",").join(elements) + self._rarely("}", "]")
        members = [
            self._json_text() + self._separator(":") + self.json(depth + 1)
            for _ in range(rng.randrange(4))
        ]
        return "{" + self._separator(",").join(members) + self._rarely("]", "}")

    def _json_text(self) -> str:
        parts = self._rng.choices(TEXT_PARTS, k=self._rng.randrange(4))
        return '"' + "".join(parts) + self._rarely("", '"')

    def _separator(self, usual: str) -> str:
        blank = self._rng.choice(("", "", " ", "\r\n\t"))
        return blank + self._rarely(";", usual) + blank

    def _rarely(self, rare: str, usual: str) -> str:
        return rare if self._rng.random() < 0.04 else usual

    def lua(self, depth: int = 0) -> str:
        """An expression of Lua."""
        rng = self._rng
        kind = rng.randrange(10)
        if kind < 2:
            return rng.choice(OTHERS)
        if kind < 4:
            return rng.choice(LUA_NUMBERS) if rng.random() < 0.6 else str(rng.uniform(-1e9, 1e9))
        if kind < 6 or depth > DEPTH_MAX:
            return rng.choice(LUA_TEXTS)
        if kind < 8:
            return "{" + ",".join(self.lua(depth + 1) for _ in range(rng.randrange(5))) + "}"
        keys = rng.sample(LUA_KEYS, k=2) if kind == 8 else [f"'{name}'" for name in "fghi"]
        return "{" + ",".join(f"[{key}]={self.lua(depth + 1)}" for key in keys) + "}"

    def packed(self) -> bytes:
        """Bytes that are MessagePack, or nearly."""
        rng = self._rng
        count = rng.randrange(12)
        return bytes(
            rng.choice((rng.choice(PACKED_BYTES), rng.randrange(256))) for _ in range(count)
        )

    def layout(self) -> str:
        return "".join(self._rng.choices(LAYOUTS, k=self._rng.randrange(6)))

    def data(self) -> bytes:
        rng = self._rng
        return bytes(rng.choice((rng.randrange(256), 0, 255, 49)) for _ in range(rng.randrange(40)))

    def arguments(self, count_max: int) -> str:
        """Arguments of a call, a comma in front of each."""
        rng = self._rng
        drawn = [
            rng.choice(
                (rng.choice(ARGUMENTS), str(rng.randint(-(2**33), 2**33)), str(rng.random()))
            )
            for _ in range(rng.randrange(count_max + 1))
        ]
        return "".join(f",{argument}" for argument in drawn)

    def calls(self) -> list[tuple[bytes, bytes]]:
        """One call of each function, as an expression, and its ARGV."""
        rng = self._rng
        function = rng.choice(BIT_FUNCTIONS)
        limits = f"{rng.randint(-1, 3)}, {rng.randint(-1, 5)}"
        packed, layout = self.packed(), self.layout()
        return [
            (b"pcall(cjson.decode, ARGV[1])", self.json().encode()),
            (f"pcall(cjson.encode, {self.lua()})".encode(), b""),
            (f"pcall(cmsgpack.pack, {self.lua()}, {self.lua()})".encode(), b""),
            (b"pcall(cmsgpack.unpack, ARGV[1])", packed),
            (f"pcall(cmsgpack.unpack_limit, ARGV[1], {limits})".encode(), packed),
            (f"pcall(struct.pack, '{layout}'{self.arguments(5)})".encode(), b""),
            (
                f"pcall(struct.unpack, '{layout}', ARGV[1], {rng.randint(-1, 3)})".encode(),
                self.data(),
            ),
            (f"pcall(struct.size, '{layout}')".encode(), b""),
            (f"pcall(bit.{function}{self.arguments(3)})".encode(), b""),
        ]

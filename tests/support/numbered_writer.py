"""A client that sets numbered keys one after the other and knows what may be found (shell)."""

from __future__ import annotations

import random
from typing import Final

from kiwi_engine import clock
from tests.support.client import Client, ErrorReply

REFUSAL_TIMEOUT_SECONDS: Final = 30.0


class NumberedWriter:
    """Sets `k0`, `k1`, ... to values of `value_bytes` that nothing can compress."""

    def __init__(self, client: Client, value_bytes: int, pipeline: int = 1) -> None:
        """`pipeline`: how many at a time where many are written."""
        self._client = client
        self._pipeline = pipeline
        self._value_bytes = value_bytes
        self._count = 0
        self._acknowledged: set[int] = set()
        self._in_doubt: set[int] = set()

    def write(self) -> ErrorReply | None:
        """Set the next key; the error, if it is refused."""
        return self._write(1)[0]

    def write_many(self, count: int) -> None:
        """Each of them must be accepted."""
        for done in range(0, count, self._pipeline):
            errors = self._write(min(self._pipeline, count - done))
            refused = [error for error in errors if error is not None]
            assert not refused, f"{len(refused)} writes were refused: {refused[0]}"

    def write_until_refused(self) -> ErrorReply:
        """The first error; the disk, or whatever fails, must show within a while."""
        deadline_ns = clock.monotonic_ns() + int(REFUSAL_TIMEOUT_SECONDS * 1e9)
        while (error := next(filter(None, self._write(self._pipeline)), None)) is None:
            assert clock.monotonic_ns() < deadline_ns, "no write was refused"
        return error

    def _write(self, count: int) -> list[ErrorReply | None]:
        """Set the next keys in one pipeline; the error of each, if it was refused."""
        numbers = range(self._count, self._count + count)
        self._count += count
        commands = [("SET", f"k{number}", self._value(number)) for number in numbers]
        errors: list[ErrorReply | None] = []
        for number, reply in zip(numbers, self._client.pipeline(commands), strict=True):
            is_refused = isinstance(reply, ErrorReply)
            errors.append(reply if is_refused else None)
            if not is_refused:
                self._acknowledged.add(number)
            elif str(reply).startswith("UNKNOWN "):
                self._in_doubt.add(number)
        return errors

    def check(self, client: Client) -> None:
        """Everything acknowledged is there, nothing that was refused, nothing else."""
        step = 50
        for first in range(0, self._count, step):
            numbers = range(first, min(first + step, self._count))
            found = client.pipeline([("GET", f"k{number}") for number in numbers])
            for number, value in zip(numbers, found, strict=True):
                assert value in self._possible(number), f"k{number}: {value!r:.80}"

    def _possible(self, number: int) -> tuple[bytes | None, ...]:
        if number in self._acknowledged:
            return (self._value(number),)
        return (None, self._value(number)) if number in self._in_doubt else (None,)

    def _value(self, number: int) -> bytes:
        return random.Random(number).randbytes(self._value_bytes)

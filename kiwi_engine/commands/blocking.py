"""How a command says that it has to wait (pure)."""

from __future__ import annotations

from kiwi_engine.keyspace.encoding import KIND_NAMES


class WouldBlock(Exception):  # noqa: N818 - not an error: the command is carried out later
    """Nothing to take yet: run `words` when one of `keys` may have something.

    Only raised where the context lets a command block. Nothing was changed before, but for the
    consumer that XREADGROUP creates. `kind` is the kind of value that it waits for. `timeout_ms` is
    0 for ever, counted from the arrival of the command; `on_timeout` is its reply when that has
    passed. `unblocks_without_key`: it also wants to hear that the key is gone (XREADGROUP). `alike`
    is equal for commands of which none gets anything while another of them does not.
    """

    def __init__(
        self,
        words: list[bytes],
        keys: tuple[bytes, ...],
        kind: int,
        timeout_ms: int,
        on_timeout: bytes,
        *,
        unblocks_without_key: bool = False,
        alike: object = None,
    ) -> None:
        super().__init__(f"waits for a {KIND_NAMES[kind].decode()}")
        self.words = words
        self.keys = keys
        self.kind = kind
        self.timeout_ms = timeout_ms
        self.on_timeout = on_timeout
        self.unblocks_without_key = unblocks_without_key
        self.alike = alike

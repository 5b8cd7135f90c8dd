"""What the server knows about one connection (pure data).

A connection owns one `Session`; only the network runtime's event loop touches it. The commands that
the network runtime answers itself (`server.local`) read and change it.
"""

from __future__ import annotations

from enum import Enum


class ReplyMode(Enum):
    """Which replies reach the client (`CLIENT REPLY`).

    SKIP: the reply of the next command does not. The connection sets SKIPPING while it runs that
    command, and ON behind it unless the command chose otherwise.
    """

    ON = "on"
    OFF = "off"
    SKIP = "skip"
    SKIPPING = "skipping"


class Session:
    """The state of one connection; times are nanoseconds of the monotonic clock.

    `address` and `local_address` are `ip:port` (`[ip]:port` is not used: Redis prints IPv6 bare).
    `is_local` says that the client is on this machine. `authenticated` is set when the connection
    is made, from whether a password is required then, and by AUTH and HELLO. The connection closes
    once the replies so far are sent when `close_after_reply` is set.
    """

    __slots__ = (
        "address",
        "authenticated",
        "close_after_reply",
        "commands_count",
        "created_ns",
        "db",
        "file_descriptor",
        "id",
        "input_bytes",
        "is_local",
        "last_command",
        "last_interaction_ns",
        "library_name",
        "library_version",
        "local_address",
        "name",
        "no_evict",
        "no_touch",
        "output_bytes",
        "reply_mode",
        "resp3",
        "user",
    )

    def __init__(
        self,
        session_id: int,
        address: str,
        local_address: str,
        now_ns: int,
        *,
        authenticated: bool,
        file_descriptor: int = -1,
        is_local: bool = False,
    ) -> None:
        self.id = session_id
        self.address = address
        self.local_address = local_address
        self.file_descriptor = file_descriptor
        self.is_local = is_local
        self.created_ns = now_ns
        self.last_interaction_ns = now_ns
        self.close_after_reply = False
        self.commands_count = 0
        self.input_bytes = 0
        self.output_bytes = 0
        # The full name of the command that was received last, e.g. `client|list`.
        self.last_command = "NULL"
        self.library_name = b""
        self.library_version = b""
        self.reset(authenticated)

    def reset(self, authenticated: bool) -> None:
        """Take the connection back to the state of a new one, as `RESET` does."""
        self.authenticated = authenticated
        self.user = "default"
        self.name = b""
        self.db = 0
        self.resp3 = False
        self.reply_mode = ReplyMode.ON
        self.no_evict = False
        self.no_touch = False

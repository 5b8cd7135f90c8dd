"""What the server knows about one connection (pure data).

A connection owns one `Session`; only the network runtime's event loop touches it. The commands that
the network runtime answers itself (`server.network.local`) read and change it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from kiwi_engine.channel.frames import RunFlags
from kiwi_engine.server.network.pubsub.registry import Subscriptions
from kiwi_engine.server.network.tracking.mode import TrackingMode
from kiwi_engine.server.network.transaction import Transaction, Watching


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

    `address` and `local_address` are `ip:port`, `[ip]:port` or, of a Unix socket, `path:0`.
    `is_local` says that the client is on this machine, `is_unix` that it came over a Unix socket.
    `authenticated` is set when the connection is made, from whether a password is required then,
    and by AUTH and HELLO. The connection closes once the replies so far are sent when
    `close_after_reply` is set. `run_flags` are the `RunFlags` that its commands get.
    `is_restricted` says that its user may not do everything, `is_executing`
    that the commands of its transaction are being run, `is_closed` that the connection is gone.
    `executing` is what EXECs watch that are not answered yet. `subscriptions` belong to the
    registry of pub/sub, and are None while there are none. `tracking` is how it tracks keys, and
    belongs to `server.network.tracking`; `is_monitor` says that it sees all commands. `is_plain` is
    what `refresh` makes of all that: commands of a plain session may go straight to the storage
    runtime.
    """

    __slots__ = (
        "address",
        "authenticated",
        "close_after_reply",
        "commands_count",
        "created_ns",
        "db",
        "end_wait",
        "executing",
        "file_descriptor",
        "id",
        "input_bytes",
        "is_blocked",
        "is_closed",
        "is_executing",
        "is_local",
        "is_monitor",
        "is_plain",
        "is_restricted",
        "is_unix",
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
        "run_flags",
        "subscriptions",
        "tracking",
        "transaction",
        "user",
        "watching",
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
        is_unix: bool = False,
    ) -> None:
        self.id = session_id
        self.address = address
        self.local_address = local_address
        self.file_descriptor = file_descriptor
        self.is_local = is_local
        self.is_unix = is_unix
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
        # A command of it waits for other clients.
        self.is_blocked = False
        # Ends that wait, with an error or not, where it is the network runtime that waits.
        self.end_wait: Callable[[bool], None] | None = None
        self.is_closed = False
        self.is_executing = False
        self.is_monitor = False
        self.tracking: TrackingMode | None = None
        self.subscriptions: Subscriptions | None = None
        self.watching = Watching()
        self.executing: list[Watching] = []
        self.reset(authenticated)

    @property
    def watches(self) -> list[Watching]:
        """What is watched for an EXEC that comes, and for those that are not answered yet."""
        return [self.watching, *self.executing]

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
        self.transaction: Transaction | None = None
        self.is_restricted = False
        self.refresh()

    def refresh(self) -> None:
        """Find out whether it is plain; to be called when anything about it has changed."""
        tracking = self.tracking
        self.run_flags = RunFlags.UNTOUCHED if self.no_touch else 0
        if tracking is not None and tracking.remembers:
            self.run_flags |= RunFlags.TRACKED
        self.is_plain = (
            self.authenticated
            and self.reply_mode is ReplyMode.ON
            and self.transaction is None
            and not self.is_restricted
            and (self.resp3 or self.subscriptions is None)
            and not self.run_flags
            and (tracking is None or not tracking.is_caching)
        )

"""The errors of Kiwi Engine (pure).

    KiwiError
    ├── ConfigError            the configuration is wrong; `problems` lists everything at once
    ├── LayoutError            the directory was written with other layout settings or versions
    ├── LockedError            another process holds the data directory
    ├── CorruptionError        damaged bytes at `path`, `offset`; never guessed over
    │   └── StaleCacheError       they were in the page cache only, and are dropped: open it again
    ├── IndexStalledError      RocksDB would have to wait; nothing was applied, try again later
    ├── IndexFailedError       RocksDB could not read or write
    │   └── IndexFullError        for lack of disk space; it goes on by itself when there is some
    ├── NoSpaceError           a directory cannot be opened, because the disk is full
    ├── SalvageRefusedError    nothing of a damaged directory can be proven to be good
    ├── SalvageTargetError     a salvage cannot make its new directory there
    ├── BackupError            a backup or a restore cannot be made there, or not from that
    ├── ArchiveError           the log archive does not belong to this directory, or has a hole
    ├── EngineClosedError      the engine was closed
    ├── TransactionConflictError   another write came between; nothing was written, try again
    ├── ChannelClosedError     the other runtime is gone
    ├── ServerUnreachableError   a tool got no answer from a server; says why and what to do
    ├── PayloadError           bytes that were given as a dumped value are none
    └── ReplyError             reaches a client; `text` carries its RESP prefix
        ├── WrongTypeError        the key holds a value of another type
        ├── EnginePoisonedError   a write or sync failed; reads go on, writes are refused
        ├── DiskFullError         refused before anything was torn; passes when space is freed
        ├── OverloadedError       a bound was reached
        ├── UnknownOutcomeError   a write that may or may not have been made
        └── ProtocolError         the bytes of a client are not RESP; its connection is closed
            └── QueryTooLongError     an unfinished command is too long; it is closed without a word

A bug is an `AssertionError`, never one of these.
"""

from __future__ import annotations


class KiwiError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(KiwiError):
    """One or more configuration problems, all of them reported together."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class LayoutError(KiwiError):
    """The data directory cannot be read by this build or with these layout settings."""


class LockedError(KiwiError):
    """The data directory is in use by another process."""


class CorruptionError(KiwiError):
    """Bytes on the device are not what was written."""

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(f"{path} at offset {offset}: {reason}")
        self.path = path
        self.offset = offset
        self.reason = reason


class StaleCacheError(CorruptionError):
    """What was read came from a cache that a failed sync had left; read it again."""


class IndexStalledError(KiwiError):
    """The index cannot take a batch now; nothing of it was applied. Wait and write it again."""


class IndexFailedError(KiwiError):
    """The index could not read or write its files; `reason` is RocksDB's own message."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class IndexFullError(IndexFailedError):
    """No disk space for the index. Nothing of the call was applied; it may be made again."""


class NoSpaceError(KiwiError):
    """A data directory needs a little free disk to be opened; nothing in it was changed."""

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(
            f"the disk is full and {directory} cannot be opened: {reason}; nothing is lost, free "
            "some space and start again"
        )


class SalvageRefusedError(KiwiError):
    """A damaged directory holds nothing whose place in its history can be proven."""


class SalvageTargetError(KiwiError):
    """The new directory of a salvage cannot be made where it is wanted; nothing was touched."""


class BackupError(KiwiError):
    """A backup or restore was refused or given up; what existed before is as it was."""


class ArchiveError(KiwiError):
    """The archive is another engine's, or records are missing from it."""


class EngineClosedError(KiwiError):
    """The engine no longer accepts work."""


class TransactionConflictError(KiwiError):
    """What a transaction read or wrote was written by another meanwhile; it changed nothing."""


class ChannelClosedError(KiwiError):
    """The peer of a channel went away."""


class ServerUnreachableError(KiwiError):
    """A tool got no (or no sensible) answer from the server it was pointed at."""


class PayloadError(KiwiError):
    """What RESTORE was given is not a value in RDB format; the reason is for tests and logs."""


class ReplyError(KiwiError):
    """An error that a client sees: `text` is the RESP error line without `-` and CRLF."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class WrongTypeError(ReplyError):
    """A command met a value of a type that it does not work on."""

    def __init__(self) -> None:
        super().__init__("WRONGTYPE Operation against a key holding the wrong kind of value")


class EnginePoisonedError(ReplyError):
    """A write or sync failed; the state on the device is unknown until a restart recovers it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"MISCONF Kiwi Engine is read-only: {reason}. Reads go on; restart to recover."
        )
        self.reason = reason


class DiskFullError(ReplyError):
    """Too little free disk; writes are refused until space is freed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"MISCONF Kiwi Engine refuses writes: {reason}. Reads go on; free disk space, and "
            "writes resume by themselves."
        )
        self.reason = reason


class UnknownOutcomeError(ReplyError):
    """Whether a write was made cannot be known: it is never repeated, and never denied."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"UNKNOWN outcome: {reason}; the write may or may not have been made")


class OverloadedError(ReplyError):
    """A bounded queue is full."""


class ProtocolError(ReplyError):
    """The peer sent bytes that are not RESP; `text` begins with `ERR Protocol error:`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"ERR Protocol error: {reason}")


class QueryTooLongError(ProtocolError):
    """What a client sent of commands that are not run yet exceeds `client-query-buffer-limit`."""

    def __init__(self) -> None:
        super().__init__("command exceeds client-query-buffer-limit")

"""Ask a running server for its facts (shell).

Speaks just enough RESP for what the verbs ask. redis-py is not a dependency.
"""

from __future__ import annotations

import ssl
from typing import Any, Final

import hiredis

from kiwi_engine.cli.target import Target
from kiwi_engine.errors import ServerUnreachableError

_TIMEOUT_SECONDS: Final = 10.0
_CHUNK_BYTES: Final = 1 << 16
# INFO is some kilobytes; a peer that sends a hundred times that is no Kiwi Engine.
_REPLY_BYTES_MAX: Final = 1 << 20


class LiveServer:
    """One connection to `target`; every problem is a `ServerUnreachableError`."""

    def __init__(self, target: Target) -> None:
        self._where = str(target)
        self._reader = hiredis.Reader()
        self._socket = target.connect(_TIMEOUT_SECONDS)
        if target.password:
            try:
                self._ask("AUTH", *([target.user] if target.user else []), target.password)
            except BaseException:
                self.close()
                raise

    def info(self) -> str:
        """The text of `INFO everything`."""
        text = self._ask("INFO", "everything")
        if not isinstance(text, bytes):
            raise ServerUnreachableError(f"{self._where} gave no text as its INFO: {text!r}")
        return text.decode(errors="replace")

    def collect(self, threshold: int) -> None:
        """Begin a collection of value-log segments of which `threshold` percent are dead."""
        self._ask("KIWI", "GC", "THRESHOLD", str(threshold))

    def start_backup(self, target: str, incremental: bool) -> None:
        """Begin a backup to `target`, a path on the server's machine."""
        self._ask("KIWI", "BACKUP", target, *(["INCREMENTAL"] if incremental else []))

    def backup_status(self) -> dict[str, Any]:
        """How the backup in progress is doing; texts and numbers by name."""
        flat = self._ask("KIWI", "BACKUP-STATUS")
        if not isinstance(flat, list):
            raise ServerUnreachableError(f"{self._where} gave no status of its backup: {flat!r}")
        shown = [item.decode() if isinstance(item, bytes) else item for item in flat]
        return dict(zip(shown[::2], shown[1::2], strict=True))

    def _ask(self, *command: str) -> Any:
        try:
            # hiredis takes any length; its stub declares a tuple of one.
            self._socket.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]
            reply = self._receive()
        except TimeoutError as error:
            raise ServerUnreachableError(
                f"{self._where} accepted the connection but did not answer {command[0]} within "
                f"{_TIMEOUT_SECONDS:g} s"
            ) from error
        except ssl.SSLError as error:
            raise ServerUnreachableError(self._explain_tls(error)) from error
        except (OSError, hiredis.ProtocolError) as error:
            raise ServerUnreachableError(f"{self._where} does not speak RESP: {error}") from error
        if isinstance(reply, hiredis.ReplyError):
            raise ServerUnreachableError(self._explain(str(reply)))
        return reply

    def _receive(self) -> Any:
        received = 0
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(_CHUNK_BYTES)
            received += len(data)
            if not data:
                raise ConnectionError("it closed the connection")
            if received > _REPLY_BYTES_MAX:
                raise ConnectionError("its answer is too long")
            self._reader.feed(data)
        return reply

    def _explain_tls(self, error: ssl.SSLError) -> str:
        # In TLS 1.3 a client learns that only when the handshake is done.
        if "CERTIFICATE_REQUIRED" in (error.reason or ""):
            return f"{self._where} wants a certificate: give --cert and --key"
        return f"{self._where} refused the connection: {error.reason or error}"

    def _explain(self, error_text: str) -> str:
        if error_text.startswith("NOAUTH"):
            return f"{self._where} wants a password: give --password or set KIWI_REQUIREPASS"
        if error_text.startswith(("WRONGPASS", "ERR AUTH")):
            return f"{self._where} refused the password: {error_text}"
        return f"{self._where} answered: {error_text}"

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

"""TLS between a socket and a connection (shell: event loop).

    socket's transport  ──bytes──▶  TlsLayer  ──commands──▶  Connection
                        ◀──bytes──            ◀──replies───

To the socket's transport it is the protocol, to the connection it is the transport. OpenSSL works
on two buffers in memory, so nothing here ever waits. A connection is made when the handshake is
done; a client that fails it, or takes too long, leaves nothing behind.

Why not the event loop's own TLS: see docs/decisions/0021. In short, here what waits to be sent is
counted in full (`client-output-buffer-limit`), handshakes count as clients, and a stop does not
wait until an idle client answers the good-bye.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from kiwi_engine.logs import VERBOSE
from kiwi_engine.resp import reply
from kiwi_engine.server.network.transport.handshakes import Handshakes

logger = logging.getLogger(__name__)

# Redis closes without a word, which leaves people guessing.
_PLAIN_TEXT: Final = "ERR Protocol error: plain text on a port with TLS"
# The most that one TLS record carries.
_RECORD_BYTES: Final = 16 * 1024


class TlsLayer(asyncio.Protocol, asyncio.Transport):
    """One client of a TLS port. `make_connection` makes the protocol that it speaks inside."""

    def __init__(
        self,
        context: ssl.SSLContext,
        make_connection: Callable[[], asyncio.Protocol],
        handshakes: Handshakes,
    ) -> None:
        super().__init__()
        self._make_connection = make_connection
        self._handshakes = handshakes
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._socket: asyncio.Transport
        self._deadline: asyncio.TimerHandle | None = None
        # None until the handshake is done.
        self._connection: asyncio.Protocol | None = None
        self._is_writing_paused = False
        # The client has said good-bye: it sends nothing more, but still reads.
        self._is_half_closed = False

    # ---- what the socket's transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._socket = transport = cast(asyncio.Transport, transport)
        if self._handshakes.begin(self):
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._handshakes.timeout_s, self._time_out)
        else:
            # Nothing can be said to a client before the handshake.
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        if self._connection is None:
            self._shake_hands()
        if self._connection is not None:
            self._deliver(self._connection)

    def eof_received(self) -> bool:
        """Only a client that said good-bye before may still wait for replies."""
        return self._is_half_closed

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        # The two know each other: without this only the garbage collector could free them.
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.connection_lost(exc)
        elif self._handshakes.fail(self):
            self._log_failure("the client has gone")

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._is_writing_paused = True
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        # A long chain of certificates can be waiting since before there was a connection.
        if self._connection is not None and self._is_writing_paused:
            self._is_writing_paused = False
            self._connection.resume_writing()

    # ---- the handshake

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return
        except ssl.SSLError as error:
            # OpenSSL has made an alert, which says why, unless it saw no TLS at all.
            if not self._outgoing.pending:
                self._socket.write(reply.error(_PLAIN_TEXT))
            self._send()
            self._disarm()
            if self._handshakes.fail(self):
                self._log_failure(error.reason or str(error))
            self._socket.close()
            return
        self._send()
        self._disarm()
        self._handshakes.finish(self)
        self._connection = self._make_connection()
        self._connection.connection_made(self)

    def _time_out(self) -> None:
        self._handshakes.fail(self, timed_out=True)
        self._log_failure("it took too long")
        self._socket.abort()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _log_failure(self, reason: str) -> None:
        # Whoever scans the network causes these: no reason to fill a log.
        peer = self._socket.get_extra_info("peername")
        logger.log(VERBOSE, "TLS handshake with %s failed: %s", peer, reason)

    # ---- after the handshake

    def _deliver(self, connection: asyncio.Protocol) -> None:
        """Give the connection all that has arrived, as one piece."""
        records: list[bytes] = []
        has_ended = False
        try:
            # Asked first, because "want read" costs as much as reading: 3 us.
            while not has_ended and (self._incoming.pending or self._tls.pending()):
                record = self._tls.read(_RECORD_BYTES)
                records.append(record)
                has_ended = not record
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            logger.log(VERBOSE, "a TLS client broke the protocol: %s", error.reason or error)
            self._send()
            self._socket.abort()
            return
        # OpenSSL may have something to answer, e.g. a new key.
        self._send()
        data = records[0] if len(records) == 1 else b"".join(records)
        if data and not self._socket.is_closing():
            connection.data_received(data)
        if has_ended and not self._is_half_closed:
            self._is_half_closed = True
            if not self._socket.is_closing() and not connection.eof_received():
                self.close()

    def _send(self) -> None:
        """Hand what OpenSSL has made to the socket."""
        if self._outgoing.pending and not self._socket.is_closing():
            self._socket.write(self._outgoing.read())

    # ---- what the connection calls

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._socket.is_closing():
            return
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._send()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        # One record for many small replies, not one for each.
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Close when all is sent, without waiting for the client's good-bye; so does Redis."""
        if self._socket.is_closing():
            return
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # "Want read": what it wants is that good-bye.
            pass
        self._send()
        self._socket.close()

    def abort(self) -> None:
        self._socket.abort()

    def is_closing(self) -> bool:
        return self._socket.is_closing()

    def pause_reading(self) -> None:
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        self._socket.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._socket.set_write_buffer_limits(high=high, low=low)

    def get_write_buffer_size(self) -> int:
        return self._socket.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._socket.get_extra_info(name, default)

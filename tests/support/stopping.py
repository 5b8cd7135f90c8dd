"""What clients see while a server is told to stop (shell)."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.client import Client, encode
from tests.support.servers import ServerProcess


def answered_while_stopping(server: ServerProcess, stop: Callable[[], None], count: int) -> int:
    """Send `count` writes of new keys in one piece; how many were answered OK before the end.

    `stop` is called behind the first answer.
    """
    with server.client() as client:
        client.send(b"".join(encode("SET", f"k{n}", "v") for n in range(count)))
        assert client.reply() == b"OK"
        stop()
        return 1 + answered_to_the_end(client)


def answered_to_the_end(client: Client) -> int:
    """How many more commands are answered OK until the connection ends."""
    answered = 0
    try:
        while client.reply() == b"OK":
            answered += 1
    except ConnectionError:
        pass
    return answered

"""What clients ask in turn, and are to be answered alike however many network processes there are.

b: CLIENT KILL ID {c}      client b asks; {c} is the number of client c, who is in another one
b: GET k; INFO stats       one pipeline
b! BLPOP list 0            a command that waits; the step is over when it does
b?                         the reply to that; `b?nothing`: that there is none yet
"""

from __future__ import annotations

import re
import select
from collections.abc import Sequence
from typing import Any, Final

from tests.support.client import Client, encode
from tests.support.command_lines import commands_of
from tests.support.servers import wait_until

NAMES: Final = "abc"
_SILENCE_SECONDS: Final = 0.05
# Of a line of CLIENT LIST what is the same everywhere.
_LINE: Final = re.compile(
    r"id=(\d+) addr=\S+ laddr=\S+ fd=\d+ (name=\S*) age=\d+ idle=\d+ (.*? multi=-?\d+) .*?"
    r"tot-cmds=\d+"
)
# Addresses of clients, and times of the wall clock.
_UNEQUAL: Final = re.compile(
    r"127\.0\.0\.1:\d+|\b\d{10,}\b|(?<=age-seconds', b')[\d.]+|(?<=b'id': )\d+"
)

SCRIPTS: Final = {
    "settings": """
        b: CONFIG SET slowlog-max-len 77 maxclients 901
        a: CONFIG GET slowlog-max-len
        c: CONFIG GET maxclients
        c: CONFIG SET maxclients 902 slowlog-max-len wrong
        a: CONFIG GET maxclients
        b: CONFIG GET maxclients
        c: CONFIG SET maxclients
        c: CONFIG SET port 1 port 2
        b: CONFIG SET nosuch 1
        b: CONFIG SET databases 3
        b: CONFIG REWRITE
        c: CONFIG SET slowlog-max-len 128 maxclients 10000
        a: SET k v; CONFIG SET hz 11; GET k
        b: SET k w; CONFIG GET hz; GET k
        b: MULTI; SET k x; CONFIG SET hz 12; GET k; EXEC
        c: CONFIG GET hz; GET k
    """,
    "users": """
        b: ACL SETUSER ann on >pass ~k* +@all
        a: ACL LIST
        c: ACL LIST; ACL USERS
        c: AUTH ann pass; ACL WHOAMI
        a: ACL SETUSER ann -get
        c: GET k; SET k v; GET other
        b: ACL GETUSER ann
        a: ACL SETUSER ann +wrong
        b: ACL DRYRUN ann SET k v
        c: GET other
        a: ACL LOG
        b: ACL LOG 1
        b: AUTH ann wrong
        a: ACL LOG 1
        c: AUTH nobody wrong
        a: ACL LOG 2
        c: ACL LOG RESET
        a: ACL LOG
        b: ACL LOG
        b: ACL DELUSER default
        b: ACL DELUSER ann nobody
        a: ACL USERS
        c: PING
        b: ACL LOAD
        b: ACL SAVE
    """,
    "a user removes itself": """
        a: ACL SETUSER ann on nopass ~* +@all
        b: AUTH ann x
        c: AUTH ann x
        b: ACL DELUSER ann
        b: PING
        c: PING
        a: ACL USERS
    """,
    "a password": """
        c: CONFIG SET requirepass secret
        a: CONFIG GET requirepass
        b: AUTH wrong
        b: AUTH secret; ACL WHOAMI
        b: CONFIG SET requirepass ""
        c: AUTH secret
    """,
    "names": """
        a: CLIENT SETNAME one; SELECT 1
        b: CLIENT SETNAME two
        b: CLIENT LIST TYPE pubsub
        a: CLIENT LIST ID {c} {a} {c} 99999999 {b}
        c: CLIENT LIST ID
        a: CLIENT LIST ID x
        a: CLIENT LIST TYPE x
        b: CLIENT LIST TYPE
        b: MULTI; CLIENT LIST ID {c} {a}; EXEC
        c: HELLO 3; CLIENT LIST ID {a}
    """,
    "killing by number": """
        a: CLIENT KILL ID {c}
        c: PING
        b: CLIENT KILL ID {c}
        b: CLIENT KILL ID 0
        b: CLIENT KILL ID {a} ID {b}
        b: CLIENT KILL ID {b} SKIPME no; PING
        b: PING
        a: PING
    """,
    "killing all others": """
        b: CLIENT KILL TYPE normal
        a: PING
        c: PING
        b: PING; CLIENT KILL TYPE pubsub; CLIENT KILL TYPE x; CLIENT KILL SKIPME maybe
        b: CLIENT KILL USER nobody
        b: CLIENT KILL USER default SKIPME no
        b: PING
    """,
    "killing by address": """
        c: CLIENT KILL {address of a}
        a: PING
        c: CLIENT KILL {address of a}
        b: CLIENT KILL ADDR {address of c}
        c: PING
        b: CLIENT KILL {address of b}
        b: PING
        """,
    "unblocking": """
        c! BLPOP list 0
        a: CLIENT UNBLOCK {c}
        c?
        a: CLIENT UNBLOCK {c}
        c! BLPOP list 0
        b: CLIENT UNBLOCK {c} ERROR
        c?
        b! WAIT 1 0
        c: CLIENT UNBLOCK {b} TIMEOUT
        b?
        b: CLIENT UNBLOCK {c} SOON
        b: CLIENT UNBLOCK x
        b: CLIENT UNBLOCK 99999999
    """,
    "pausing": """
        b: CLIENT PAUSE 100000 WRITE
        a: GET k
        a! SET k a
        c! SET k c
        b: GET k
        c?nothing
        b: CLIENT PAUSE 1 SOON
        b: CLIENT PAUSE x
        b: CLIENT UNPAUSE
        a?
        c?
        c: CLIENT PAUSE 50 ALL
        a: PING
        b: PING
        c: CLIENT UNPAUSE; PING
    """,
    "errors of INFO and others": """
        b: CONFIG RESETSTAT
        a: GET
        b: GET
        c: LPUSH k 1; GET k; HGET k f; NOSUCH
        b: INFO errorstats
        c: INFO errorstats
        c: CONFIG RESETSTAT
        a: INFO errorstats
        b: INFO nosuch
    """,
    "waiting for what came before": """
        b: CONFIG RESETSTAT
        b: SET k 1; SET k 2; INFO keyspace; DEL k; INFO keyspace
        c: SET k 1; INFO keyspace
        c: MULTI; DEL k; INFO keyspace; EXEC
    """,
    "latency": """
        b: CONFIG SET latency-monitor-threshold 10
        c: DEBUG SLEEP 0.02
        a: LATENCY RESET
        b: LATENCY LATEST
        b: LATENCY HISTORY command
        c: LATENCY GRAPH command
        c: LATENCY DOCTOR
        b: LATENCY RESET command
        b: LATENCY HISTOGRAM nosuch
        a: CONFIG SET latency-monitor-threshold 0
        b: LATENCY DOCTOR
    """,
    "the slow log": """
        b: SLOWLOG RESET
        b: CONFIG SET slowlog-log-slower-than 0
        c: GET k
        c: CLIENT SETNAME seen
        a: ECHO a
        c: ECHO c
        b: CONFIG SET slowlog-log-slower-than 10000
        b: SLOWLOG LEN
        a: SLOWLOG LEN
        c: SLOWLOG GET 0
        c: SLOWLOG GET x
        b: SLOWLOG RESET
        a: SLOWLOG LEN
    """,
    "others": """
        b: MEMORY PURGE
        c: MEMORY DOCTOR
        b: SHUTDOWN ABORT
        c: SHUTDOWN NOSAVE SAVE
        b: LASTSAVE
        a: CONFIG REWRITE
    """,
}


class Players:
    """The clients of a script, by their names."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = dict(zip(NAMES, clients, strict=True))
        self._ids = {name: each.command("CLIENT", "ID") for name, each in self._clients.items()}
        self._waiting: set[str] = set()
        self._words = {f"{{{name}}}": str(number) for name, number in self._ids.items()}
        for name, each in self._clients.items():
            host, port = each.socket.getsockname()
            self._words[f"{{address of {name}}}"] = f"{host}:{port}"
        wait_until(self._are_alone, "the end of other connections")

    def play(self, script: str) -> list[tuple[str, str]]:
        """Each step, with what came back."""
        return [
            (step, self._take(step)) for step in filter(None, map(str.strip, script.split("\n")))
        ]

    def _take(self, step: str) -> str:
        client, kind, text = self._clients[step[0]], step[1], step[2:]
        if kind == "?":
            if text and _is_silent(client):
                return "silent"
            self._waiting.discard(step[0])
            return self._shown(_ask(client, [], 1))
        for placeholder, word in self._words.items():
            text = text.replace(placeholder, word)
        commands = commands_of(text)
        if kind == ":":
            return self._shown(_ask(client, commands, len(commands)))
        client.send(b"".join(encode(*words) for words in commands))
        self._waiting.add(step[0])
        wait_until(lambda: self._is_blocked(step[0]), f"the wait of {step}")
        return "waits"

    def _are_alone(self) -> bool:
        lines = self._clients["a"].command("CLIENT", "LIST").splitlines()
        return len(lines) == len(self._clients)

    def _is_blocked(self, name: str) -> bool:
        other = next(each for key, each in self._clients.items() if key not in self._waiting)
        line = other.command("CLIENT", "LIST", "ID", self._ids[name])
        return b" flags=b " in line

    def _shown(self, replies: list[Any]) -> str:
        """Without what differs from one server to another."""
        names = {str(number): name for name, number in self._ids.items()}
        text = repr(replies)
        text = _LINE.sub(lambda match: f"{names.get(match[1], '')} {match[2]} {match[3]}", text)
        return _UNEQUAL.sub("#", text)


def _ask(client: Client, commands: list[list[bytes]], replies: int) -> list[Any]:
    found: list[Any] = []
    try:
        client.send(b"".join(encode(*words) for words in commands))
        while len(found) < replies:
            found.append(client.reply())
    except ConnectionError:
        found.append("closed")
    return found


def _is_silent(client: Client) -> bool:
    readable, _, _ = select.select((client.socket,), (), (), _SILENCE_SECONDS)
    return not readable

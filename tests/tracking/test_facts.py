"""What the server tells of those who track, and how it forgets them."""

from __future__ import annotations

from kiwi_engine.config.settings import Settings
from tests.support.client import Client
from tests.support.servers import ServerProcess, wait_until


def facts(client: Client) -> dict[str, int]:
    return {
        name.removeprefix("tracking_"): int(value)
        for name, value in client.info().items()
        if name.startswith("tracking_")
    }


def line_of(client: Client, number: int) -> dict[str, str]:
    text = client.command("CLIENT", "LIST", "ID", number).decode()
    return dict(field.split("=", 1) for field in text.split())


def test_counts(server: ServerProcess, client: Client) -> None:
    nothing = {"clients": 0, "total_keys": 0, "total_items": 0, "total_prefixes": 0}
    assert facts(client) == nothing
    with server.client() as first, server.client() as second, server.client() as third:
        for each in (first, second):
            each.command("CLIENT", "TRACKING", "ON")
        third.command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b")
        first.pipeline([("GET", "a"), ("GET", "b"), ("GET", "b")])
        second.command("GET", "b")
        assert facts(client) == {
            "clients": 3,
            "total_keys": 2,
            "total_items": 3,
            "total_prefixes": 2,
        }
        client.command("SET", "b", 1)
        assert facts(client)["total_items"] == 1
        second.command("RESET")
        assert facts(client)["clients"] == 2
    # Connections that are gone are taken out.
    wait_until(lambda: facts(client) == nothing, "nothing to be tracked", 10)


def test_the_lines_of_client_list(server: ServerProcess, client: Client) -> None:
    with server.client() as tracking:
        number = tracking.command("CLIENT", "ID")
        seen = []
        for options in (("ON",), ("OFF",), ("ON", "BCAST"), ("OFF",), ("ON", "REDIRECT", number)):
            tracking.command("CLIENT", "TRACKING", *options)
            line = line_of(client, number)
            seen.append((line["flags"], int(line["redir"])))
    assert seen == [("t", 0), ("N", -1), ("tB", 0), ("N", -1), ("t", number)]


def test_the_size_of_the_table(server: ServerProcess, client: Client) -> None:
    setting = "tracking-table-max-keys"
    assert client.command("CONFIG", "GET", setting)[1] == b"%d" % Settings().tracking_table_max_keys
    with server.client() as tracking:
        tracking.command("HELLO", 3)
        tracking.command("CLIENT", "TRACKING", "ON")
        tracking.pipeline([("GET", f"k{n}") for n in range(4)])
        assert client.command("CONFIG", "SET", setting, 2) == b"OK"
        # The oldest ones go by themselves.
        assert [tracking.reply() for _ in range(2)] == [
            [b"invalidate", [b"k0"]],
            [b"invalidate", [b"k1"]],
        ]
        assert facts(client)["total_keys"] == 2
        assert client.command("CONFIG", "SET", setting, 0) == b"OK"
        tracking.pipeline([("GET", f"k{n}") for n in range(100)])
        assert facts(client)["total_keys"] == 100
    assert client.command("CONFIG", "SET", setting, 1_000_000) == b"OK"

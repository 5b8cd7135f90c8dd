"""Commands that concern all network processes: a client cannot tell how many there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import QUICK_START
from tests.network_threads.same_scripts import NAMES, SCRIPTS, Players
from tests.support.client import Client
from tests.support.network_processes import clients_everywhere
from tests.support.servers import ServerProcess, kiwi

# How long something took differs.
_TIMED = {"latency"}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with one network process, whose replies are the right ones."""
    with kiwi(tmp_path_factory.mktemp("one") / "data", QUICK_START) as running:
        yield running


@pytest.mark.parametrize("name", SCRIPTS)
def test_replies_are_those_of_one_process(
    name: str, one: ServerProcess, clients: list[Client]
) -> None:
    alike = [one.client() for _ in NAMES]
    assert alike[0].command("FLUSHALL") == b"OK"
    wanted = Players(alike).play(SCRIPTS[name])
    for client in alike:
        client.close()
    found = Players(clients).play(SCRIPTS[name])
    if name in _TIMED:
        found, wanted = _without_numbers(found), _without_numbers(wanted)
    for (step, right), (_, reply) in zip(wanted, found, strict=True):
        assert reply == right, step


def _without_numbers(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(step, re.sub(r"\d+", "#", reply)) for step, reply in steps]


# ---- what each process counts or notices


@pytest.fixture(autouse=True)
def _as_at_first(clients: list[Client]) -> None:
    for settings in ("slowlog-log-slower-than 10000", "latency-monitor-threshold 0"):
        assert clients[0].command("CONFIG", "SET", *settings.split()) == b"OK"
    for command in ("CONFIG RESETSTAT", "SLOWLOG RESET", "LATENCY RESET", "ACL LOG RESET"):
        clients[0].command(*command.split())


def pairs(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


@pytest.mark.parametrize(
    "section", ["server", "clients", "memory", "stats", "replication", "channel", "cpu", "cluster"]
)
def test_info_has_the_same_fields(section: str, one: ServerProcess, clients: list[Client]) -> None:
    with one.client() as alike:
        wanted = list(alike.info(section))
    for client in clients:
        assert list(client.info(section)) == wanted


def test_clients_are_listed_in_the_order_of_their_numbers(clients: list[Client]) -> None:
    numbers = [client.command("CLIENT", "ID") for client in clients]
    for client in clients:
        lines = client.command("CLIENT", "LIST").splitlines()
        found = [int(line.split()[0].removeprefix(b"id=")) for line in lines]
        assert found == sorted(found)
        assert set(numbers) <= set(found)


def test_calls_of_all_processes_are_added_up(clients: list[Client]) -> None:
    for times, client in enumerate(clients, start=1):
        for _ in range(times):
            client.command("ECHO", "x")
            client.command("HELLO", "4")
    for client in clients:
        fields = client.info("everything")
        assert fields["cmdstat_echo"].startswith("calls=6,")
        assert fields["cmdstat_hello"].endswith("failed_calls=6")
        assert fields["errorstat_NOPROTO"] == "count=6"
    # Counted by the process of the client, and not by the one that carries it out.
    assert clients[0].info("commandstats")["cmdstat_info"].startswith("calls=3,")


def test_clients_and_traffic_are_added_up(clients: list[Client]) -> None:
    before = clients[1].info("all")
    clients[2].command("SET", "key", "v" * 10_000)
    after = clients[1].info("all")
    assert int(after["connected_clients"]) >= 3
    grown = int(after["total_net_input_bytes"]) - int(before["total_net_input_bytes"])
    assert 10_000 < grown < 10_400
    # The SET, and the INFO itself.
    assert int(after["total_commands_processed"]) - int(before["total_commands_processed"]) == 2
    assert after["capacity_requests"] == str(3 * 65_536)
    assert int(after["network_memory_rss"]) > 3 * 20 * 2**20


def test_blocked_clients_are_added_up(clients: list[Client]) -> None:
    clients[1].send(b"BLPOP list 0\r\n")
    clients[2].send(b"WAIT 1 0\r\n")
    while (fields := clients[0].info("clients"))["blocked_clients"] != "2":
        assert int(fields["blocked_clients"]) < 2
    clients[0].command("LPUSH", "list", "x")
    assert clients[1].reply() == [b"list", b"x"]


def test_the_channels_are_one_to_an_operator(clients: list[Client]) -> None:
    before = clients[0].info("channel")
    for client in clients:
        client.pipeline([("GET", "a")] * 10)
    after = clients[2].info("channel")
    assert int(after["requests_answered"]) - int(before["requests_answered"]) == 30
    assert int(after["storage_us_p99"]) <= int(after["storage_us_max"])
    assert after["breaker_state"] == "closed"


def test_a_histogram_has_the_calls_of_all_processes(clients: list[Client]) -> None:
    for client in clients:
        client.command("ECHO", "x")
    for client in clients:
        ((name, told),) = pairs(client.command("LATENCY", "HISTOGRAM", "echo")).items()
        assert (name, pairs(told)[b"calls"]) == (b"echo", 3)


def test_one_slow_log(clients: list[Client]) -> None:
    clients[1].command("CLIENT", "SETNAME", "second")
    clients[0].command("CONFIG", "SET", "slowlog-log-slower-than", 0)
    clients[1].command("SET", "stored", "x")
    clients[2].command("ECHO", "here")
    clients[0].command("CONFIG", "SET", "slowlog-log-slower-than", 10_000)
    entries = clients[2].command("SLOWLOG", "GET", -1)
    assert entries == clients[0].command("SLOWLOG", "GET", -1)
    assert len({entry[0] for entry in entries}) == len(entries)
    by_words = {tuple(entry[3]): entry for entry in entries}
    stored, here = by_words[b"SET", b"stored", b"x"], by_words[b"ECHO", b"here"]
    host, port = clients[1].socket.getsockname()
    assert stored[4:6] == [f"{host}:{port}".encode(), b"second"]
    assert here[4].endswith(b":%d" % clients[2].socket.getsockname()[1])
    assert (b"SLOWLOG", b"GET", b"-1") not in by_words


def test_spikes_of_all_processes(clients: list[Client]) -> None:
    clients[1].command("CONFIG", "SET", "latency-monitor-threshold", 15)
    for client in clients:
        client.command("DEBUG", "SLEEP", "0.02")
        (event, _, _, worst_ms) = clients[0].command("LATENCY", "LATEST")[0]
        assert (event, worst_ms >= 20) == (b"command", True)
        assert clients[2].command("LATENCY", "RESET", "command") == 1


def test_a_denial_of_a_script_is_logged_once(clients: list[Client]) -> None:
    before = int(clients[1].info("stats")["acl_access_denied_cmd"])
    clients[0].command("ACL", "SETUSER", "ann", "on", "nopass", "~*", "+@all", "-incr")
    clients[2].command("AUTH", "ann", "")
    clients[2].command("EVAL", "return redis.call('incr', KEYS[1])", 1, "k")
    clients[2].command("GETDEL")
    clients[2].command("INCR", "k")
    for client in clients[:2]:
        told = [pairs(entry) for entry in client.command("ACL", "LOG")]
        assert [(each[b"context"], each[b"count"]) for each in told] == [
            (b"toplevel", 1),
            (b"lua", 1),
        ]
        assert b"user=ann" in told[0][b"client-info"]
        assert int(client.info("stats")["acl_access_denied_cmd"]) == before + 2
    clients[0].command("ACL", "DELUSER", "ann")


def test_memory_of_all_processes(clients: list[Client]) -> None:
    for client in clients:
        assert pairs(client.command("MEMORY", "STATS"))[b"total.allocated"] > 4 * 20 * 2**20


def test_users_of_a_file_and_the_end(tmp_path: Path) -> None:
    users = tmp_path / "users.acl"
    users.write_text("user default on nopass ~* &* +@all\nuser old on nopass +@all\n")
    settings = {**QUICK_START, "network-threads": 2, "aclfile": users}
    with (
        kiwi(tmp_path / "data", {name: str(value) for name, value in settings.items()}) as server,
        ExitStack() as opened,
    ):
        first, second = map(opened.enter_context, clients_everywhere(server, 2))
        assert second.command("AUTH", "old", "") == b"OK"
        users.write_text("user new on nopass +@all -get\n")
        assert first.command("ACL", "LOAD") == b"OK"
        with pytest.raises(ConnectionError):
            second.command("PING")
        others = [*map(opened.enter_context, clients_everywhere(server, 2))]
        for client in others:
            assert client.command("ACL", "USERS") == [b"default", b"new"]
        others[0].command("ACL", "SETUSER", "third", "on")
        assert others[1].command("ACL", "SAVE") == b"OK"
        saved = [line.split()[1] for line in users.read_text().splitlines()]
        assert saved == ["default", "new", "third"]
        # Any process may be asked to end them all.
        others[1].send(b"SHUTDOWN SAVE\r\n")
        assert others[1].read_until_closed() == b""
        assert server.wait() == 0

"""MONITOR where there are several network processes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.network_threads.conftest import PROCESSES
from tests.support.client import Argument, Client, encode
from tests.support.network_processes import clients_everywhere
from tests.support.servers import ServerProcess

SCRIPT = "redis.call('set','k',1); redis.call('get','k'); return 1"


@pytest.fixture
def monitors(three: ServerProcess) -> Iterator[list[Client]]:
    """A client of each process that monitors."""
    found = clients_everywhere(three, PROCESSES)
    for client in found:
        assert client.command("MONITOR") == b"OK"
    yield found
    for client in found:
        client.close()


def words_of(line: bytes) -> str:
    """What a line shows, without the time; `lua` in front of what scripts call."""
    match = re.fullmatch(rb"\d{10}\.\d{6} \[0 (lua|[\d.]+:\d+)\] (.*)", line)
    assert match is not None, line
    words = match[2].decode().replace('"', "")
    return f"lua {words}" if match[1] == b"lua" else words


def lines(monitor: Client, *, until: str) -> list[str]:
    """What is shown, up to and without `until`."""
    found: list[str] = []
    while (shown := words_of(monitor.reply())) != until:
        found.append(shown)
    return found


def test_everybody_sees_everything_once(clients: list[Client], monitors: list[Client]) -> None:
    for at, client in enumerate(clients):
        assert client.command("SET", f"key{at}", at) == b"OK"
        assert client.command("ECHO", f"end {at}") == b"end %d" % at
    for monitor in monitors:
        seen = [words_of(monitor.reply()) for _ in range(2 * PROCESSES)]
        # Those of different connections come in any order.
        for at in range(PROCESSES):
            ours = [each for each in seen if each.endswith(str(at))]
            assert ours == [f"SET key{at} {at}", f"ECHO end {at}"]


def test_the_lines_of_a_connection_keep_their_order(
    clients: list[Client], monitors: list[Client]
) -> None:
    """Also those of its scripts, which run while what was sent behind them is shown."""
    script = [f"EVAL {SCRIPT} 0", "lua set k 1", "lua get k"]
    for at, client in enumerate(clients):
        commands: list[list[Argument]] = [["GET", number] for number in range(20)]
        commands += [["MULTI"], ["SET", "m", 1], ["EXEC"], ["EVAL", SCRIPT, 0]]
        client.pipeline(commands)
        client.command("ECHO", f"end {at}")
        expected = [" ".join(map(str, words)) for words in commands[:-1]]
        for monitor in monitors:
            assert lines(monitor, until=f"ECHO end {at}") == expected + script


@pytest.mark.parametrize("here", range(PROCESSES))
def test_all_that_follows_the_reply_is_seen(
    here: int, clients: list[Client], three: ServerProcess
) -> None:
    for _ in range(5):
        found = clients_everywhere(three, PROCESSES)
        assert found[here].command("MONITOR") == b"OK"
        for at, client in enumerate(clients):
            client.command("EVAL", SCRIPT, 0)
            client.command("ECHO", f"end {at}")
            seen = lines(found[here], until=f"ECHO end {at}")
            assert seen == [f"EVAL {SCRIPT} 0", "lua set k 1", "lua get k"]
        assert found[here].command("RESET") == b"RESET"
        clients[0].command("PING")
        assert found[here].command("ECHO", "nothing else") == b"nothing else"
        for client in found:
            client.close()


def test_in_a_row_of_comings_and_goings(three: ServerProcess, clients: list[Client]) -> None:
    """Whoever is there sees it all, whoever else comes and goes."""
    stays = clients_everywhere(three, PROCESSES)
    assert stays[1].command("MONITOR") == b"OK"
    for round_ in range(10):
        passing = clients_everywhere(three, PROCESSES)
        for client in passing:
            client.send(encode("MONITOR"))
        for client in passing[: round_ % 4]:
            assert client.reply() == b"OK"
        for client in passing:
            client.close()
        for at, client in enumerate(clients):
            client.command("ECHO", f"{round_} {at}")
            until = f"ECHO {round_} {at}"
            assert all(not each.startswith("ECHO") for each in lines(stays[1], until=until))
    for client in stays:
        client.close()

"""Client-side caching where readers, writers and those who are told are in different processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import permutations, product

import pytest

from tests.lifecycle.watched import storage_process_id
from tests.network_threads.conftest import PROCESSES
from tests.support.client import Client, ErrorReply, encode
from tests.support.network_processes import clients_everywhere
from tests.support.servers import ServerProcess, wait_until

PAIRS = list(permutations(range(PROCESSES), 2))
NO_SUCH = "ERR The client ID you want redirect to does not exist"


@pytest.fixture
def others(three: ServerProcess) -> Iterator[list[Client]]:
    """One more client of each process, in RESP3."""
    found = clients_everywhere(three, PROCESSES)
    for client in found:
        client.command("HELLO", 3)
    yield found
    for client in found:
        client.close()


def invalidated(client: Client) -> object:
    kind, keys = client.reply()
    assert kind == b"invalidate"
    return keys


def redirection(client: Client) -> tuple[list[bytes], int]:
    """The flags that CLIENT TRACKINGINFO tells, and where the connection redirects to."""
    info = client.command("CLIENT", "TRACKINGINFO")
    if isinstance(info, list):
        info = dict(zip(info[::2], info[1::2], strict=True))
    return sorted(info[b"flags"]), info[b"redirect"]


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_readers_are_told_what_others_change(
    here: int, there: int, clients: list[Client], others: list[Client]
) -> None:
    reader, writer = others[here], clients[there]
    assert reader.command("CLIENT", "TRACKING", "ON") == b"OK"
    for value in range(3):
        reader.command("GET", "k")
        writer.command("SET", "k", value)
        assert invalidated(reader) == [b"k"]
    writer.command("FLUSHALL")
    assert invalidated(reader) is None
    assert reader.command("CLIENT", "TRACKING", "OFF") == b"OK"


def test_prefixes_hold_from_the_reply_on(clients: list[Client], others: list[Client]) -> None:
    for turn, (here, there) in product(range(5), PAIRS):
        tracker, writer = others[here], clients[there]
        tracker.command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a", "PREFIX", "b")
        writer.command("MSET", f"a{turn}", 1, f"c{turn}", 1, f"b{turn}", 1)
        assert [invalidated(tracker), invalidated(tracker)] == [[b"a%d" % turn], [b"b%d" % turn]]
        tracker.command("CLIENT", "TRACKING", "OFF")


def test_own_changes_are_not_told_but_those_of_others(
    clients: list[Client], others: list[Client]
) -> None:
    for client in others:
        client.command("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
    for at, client in enumerate(others):
        client.send(encode("SET", f"k{at}", 1))
    for at, client in enumerate(others):
        expected = {b"OK"} | {b"k%d" % other for other in range(PROCESSES)} - {b"k%d" % at}
        seen: set[bytes] = set()
        while seen < expected:
            reply = client.reply()
            seen.update([reply] if reply == b"OK" else reply[1])
        assert seen == expected
        assert client.command("PING") == b"PONG"


@pytest.mark.parametrize(("here", "there"), PAIRS)
@pytest.mark.parametrize("resp3", [False, True])
def test_redirecting_to_another_process(
    here: int, there: int, resp3: bool, clients: list[Client], others: list[Client]
) -> None:
    reader, told, writer = others[here], others[there], clients[3 - here - there]
    number = told.command("CLIENT", "ID")
    if not resp3:
        told.command("HELLO", 2)
        told.command("SUBSCRIBE", "__redis__:invalidate")
    assert reader.command("CLIENT", "TRACKING", "ON", "REDIRECT", number) == b"OK"
    assert reader.command("CLIENT", "GETREDIR") == number
    reader.command("GET", "k")
    writer.command("SET", "k", 1)
    if resp3:
        assert invalidated(told) == [b"k"]
    else:
        assert told.reply() == [b"message", b"__redis__:invalidate", [b"k"]]
    assert redirection(reader) == ([b"on"], number)
    told.close()
    wait_until(lambda: number not in connections(writer), "the end of the connection")
    reader.command("GET", "k")
    writer.command("SET", "k", 2)
    assert reader.reply() == [b"tracking-redir-broken", number]
    assert redirection(reader) == ([b"broken_redirect", b"on"], number)


def connections(client: Client) -> list[int]:
    """The numbers of all there are."""
    lines = client.command("CLIENT", "LIST").decode().splitlines()
    return [int(line.split()[0].removeprefix("id=")) for line in lines]


def test_redirecting_to_nobody(clients: list[Client], others: list[Client]) -> None:
    highest = max(client.command("CLIENT", "ID") for client in others)
    for client, ahead in product(clients, range(100, 103)):
        for words in (["REDIRECT", highest + ahead], ["REDIRECT", highest + ahead, "NOSUCH"]):
            error = client.command("CLIENT", "TRACKING", "ON", *words)
            assert isinstance(error, ErrorReply)
            assert str(error) == NO_SUCH
        error = client.command("CLIENT", "TRACKING", "ON", "NOSUCH", "REDIRECT", highest + ahead)
        assert str(error) == "ERR syntax error"
        error = client.command("CLIENT", "TRACKING", "ON", "REDIRECT", "x")
        assert str(error) == "ERR value is not an integer or out of range"


def test_what_is_missed_while_storage_starts_is_forgotten_as_well(
    clients: list[Client], others: list[Client]
) -> None:
    """Others may write before the new storage runtime has heard of the prefixes of this process."""
    for tracker in others:
        assert tracker.command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a") == b"OK"
    os.kill(storage_process_id(clients[0]), signal.SIGKILL)
    for tracker in others:
        assert invalidated(tracker) is None, "at the death"
        assert invalidated(tracker) is None, "when it is known again what is tracked"
    clients[0].command("SET", "a", 1)
    for tracker in others:
        assert invalidated(tracker) == [b"a"]
        assert tracker.command("CLIENT", "TRACKING", "OFF") == b"OK"

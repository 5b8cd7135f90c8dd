"""Messages between clients of different network processes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise, permutations, product

import pytest

from tests.network_threads.conftest import PROCESSES
from tests.support.client import Argument, Client, encode
from tests.support.network_processes import clients_everywhere
from tests.support.servers import ServerProcess

PAIRS = list(permutations(range(PROCESSES), 2))
MESSAGES = 200


@pytest.fixture
def others(three: ServerProcess) -> Iterator[list[Client]]:
    """One more client of each process, that of number 0 first."""
    found = clients_everywhere(three, PROCESSES)
    yield found
    for client in found:
        client.close()


def test_all_subscribers_get_a_message(clients: list[Client], others: list[Client]) -> None:
    for client in others:
        assert client.command("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
        assert client.command("PSUBSCRIBE", "n*") == [b"psubscribe", b"n*", 2]
        assert client.command("SSUBSCRIBE", "news") == [b"ssubscribe", b"news", 1]
    for client in clients:
        assert client.command("PUBLISH", "news", "x") == 2 * PROCESSES
        assert client.command("SPUBLISH", "news", "y") == PROCESSES
        assert client.command("PUBLISH", "other", "z") == 0
        for other in others:
            assert other.reply() == [b"message", b"news", b"x"]
            assert other.reply() == [b"pmessage", b"n*", b"news", b"x"]
            assert other.reply() == [b"smessage", b"news", b"y"]


def test_a_subscription_holds_from_its_confirmation_to_the_next(
    clients: list[Client], others: list[Client]
) -> None:
    for _, (here, there) in product(range(10), PAIRS):
        assert others[here].command("SUBSCRIBE", "brief") == [b"subscribe", b"brief", 1]
        assert clients[there].command("PUBLISH", "brief", "x") == 1
        assert others[here].reply() == [b"message", b"brief", b"x"]
        assert others[here].command("UNSUBSCRIBE") == [b"unsubscribe", b"brief", 0]
        assert clients[there].command("PUBLISH", "brief", "y") == 0
        assert others[here].command("PING") == b"PONG"


def test_all_see_one_order(clients: list[Client], others: list[Client]) -> None:
    for other in others:
        other.command("SUBSCRIBE", "order")
    for client, name in zip(clients, "abc", strict=True):
        sent = [encode("PUBLISH", "order", f"{name}{number}") for number in range(MESSAGES)]
        client.send(b"".join(sent))
    for client in clients:
        assert [client.reply() for _ in range(MESSAGES)] == [PROCESSES] * MESSAGES
    seen = [[other.reply()[2] for _ in range(PROCESSES * MESSAGES)] for other in others]
    assert seen[0] == seen[1] == seen[2]
    for name in "abc":
        of_one = [each.decode() for each in seen[0] if each.startswith(name.encode())]
        assert of_one == [f"{name}{number}" for number in range(MESSAGES)]


def test_own_messages_follow_their_replies(clients: list[Client], others: list[Client]) -> None:
    """And all else that is published comes in its place, however much there is of it."""
    for client in others:
        client.command("HELLO", 3)
        client.command("SUBSCRIBE", "own")
    for at, client in enumerate(others):
        client.send(b"".join(encode("PUBLISH", "own", f"{at} {number}") for number in range(20)))
    for client in clients:
        client.send(b"".join(encode("PUBLISH", "own", number) for number in range(50)))
    orders = []
    for at, client in enumerate(others):
        received = [client.reply() for _ in range(20 + (20 + 50) * PROCESSES)]
        assert received.count(PROCESSES) == 20
        orders.append([each[2] for each in received if each != PROCESSES])
        for before, each in pairwise(received):
            if each != PROCESSES and each[2].startswith(b"%d " % at):
                assert before == PROCESSES
    assert orders[0] == orders[1] == orders[2]
    for client in clients:
        assert [client.reply() for _ in range(50)] == [PROCESSES] * 50


@pytest.mark.parametrize("here", range(PROCESSES))
def test_the_reply_to_each_own_message_is_right_in_front_of_it(
    here: int, others: list[Client]
) -> None:
    client = others[here]
    client.command("HELLO", 3)
    client.command("SUBSCRIBE", "own")
    client.send(b"".join(encode("PUBLISH", "own", at) for at in range(5)) + encode("PING"))
    expected: list[object] = []
    for at in range(5):
        expected += [1, [b"message", b"own", b"%d" % at]]
    assert [client.reply() for _ in range(11)] == [*expected, b"PONG"]


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_a_message_comes_behind_what_was_sent_before_it(
    here: int, there: int, clients: list[Client], others: list[Client]
) -> None:
    others[there].command("SUBSCRIBE", "written")
    clients[here].send(encode("SET", "k", here) + encode("PUBLISH", "written", "k"))
    assert others[there].reply() == [b"message", b"written", b"k"]
    assert clients[there].command("GET", "k") == b"%d" % here
    assert [clients[here].reply() for _ in range(2)] == [b"OK", 1]


@pytest.mark.parametrize("here", range(PROCESSES))
def test_in_a_transaction(here: int, clients: list[Client], others: list[Client]) -> None:
    client = clients[here]
    for other in others:
        other.command("SUBSCRIBE", "ch")
    client.command("HELLO", 3)
    words: list[list[Argument]] = [
        ["MULTI"],
        ["SET", "k", here],
        ["SUBSCRIBE", "ch"],
        ["PUBLISH", "ch", "x"],
        ["PUBSUB", "NUMSUB", "ch"],
        ["UNSUBSCRIBE", "ch"],
        ["PUBLISH", "ch", "y"],
        ["EXEC"],
    ]
    replies = client.pipeline(words)
    assert replies[-1] == [
        b"OK",
        [b"subscribe", b"ch", 1],
        PROCESSES + 1,
        [b"ch", PROCESSES + 1],
        [b"unsubscribe", b"ch", 0],
        PROCESSES,
    ]
    assert client.reply() == [b"message", b"ch", b"x"]
    for other in others:
        assert [other.reply()[2], other.reply()[2]] == [b"x", b"y"]


def test_who_is_subscribed_to_what(clients: list[Client], others: list[Client]) -> None:
    for other, name in zip(others, ("a", "b", "b"), strict=True):
        other.command("SUBSCRIBE", name)
        other.command("PSUBSCRIBE", "same*", f"{name}*")
        assert other.reply()[0] == b"psubscribe"
        other.command("SSUBSCRIBE", f"s{name}")
    for client in clients:
        assert sorted(client.command("PUBSUB", "CHANNELS")) == [b"a", b"b"]
        assert client.command("PUBSUB", "CHANNELS", "b*") == [b"b"]
        assert client.command("PUBSUB", "NUMSUB", "b", "a", "c") == [b"b", 2, b"a", 1, b"c", 0]
        assert client.command("PUBSUB", "NUMPAT") == 3
        assert sorted(client.command("PUBSUB", "SHARDCHANNELS")) == [b"sa", b"sb"]
        assert client.command("PUBSUB", "SHARDNUMSUB", "sb") == [b"sb", 2]


@pytest.mark.parametrize("here", range(PROCESSES))
def test_reset_and_the_end_of_a_connection_end_subscriptions(
    here: int, clients: list[Client], others: list[Client]
) -> None:
    other = others[here]
    other.command("SUBSCRIBE", "ch")
    assert clients[0].command("PUBSUB", "NUMSUB", "ch") == [b"ch", 1]
    assert other.command("RESET") == b"RESET"
    for client in clients:
        assert client.command("PUBLISH", "ch", "x") == 0
    other.command("SUBSCRIBE", "ch")
    other.close()
    while clients[1].command("PUBLISH", "ch", "x"):
        pass
    assert clients[2].command("PUBSUB", "CHANNELS") == []


def test_scripts_and_notifications_reach_all(clients: list[Client], others: list[Client]) -> None:
    clients[1].command("CONFIG", "SET", "notify-keyspace-events", "K$")
    for other in others:
        other.command("SUBSCRIBE", "ch")
        other.command("PSUBSCRIBE", "__key*")
    script = "return redis.call('publish','ch',ARGV[1])"
    for client in clients:
        assert client.command("EVAL", script, 0, "x") == PROCESSES
        client.command("SET", "k", "v")
        for other in others:
            assert other.reply() == [b"message", b"ch", b"x"]
            assert other.reply() == [b"pmessage", b"__key*", b"__keyspace@0__:k", b"set"]
    clients[1].command("CONFIG", "SET", "notify-keyspace-events", "")


def test_many_subscriptions_at_random(clients: list[Client], others: list[Client]) -> None:
    """Each message reaches those who are subscribed when it is published, and is counted so."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    choice = random.Random(seed)
    subscribed: list[set[str]] = [set() for _ in others]
    for step in range(150):
        here, name = choice.randrange(PROCESSES), choice.choice("abc")
        if choice.random() < 0.5:
            verb = choice.choice(("SUBSCRIBE", "UNSUBSCRIBE"))
            others[here].command(verb, name)
            change = subscribed[here].add if verb == "SUBSCRIBE" else subscribed[here].discard
            change(name)
            continue
        receivers = [at for at in range(PROCESSES) if name in subscribed[at]]
        assert clients[here].command("PUBLISH", name, step) == len(receivers)
        for at in receivers:
            assert others[at].reply() == [b"message", name.encode(), b"%d" % step]
    for other in others:
        other.command("UNSUBSCRIBE")
        other.command("RESET")

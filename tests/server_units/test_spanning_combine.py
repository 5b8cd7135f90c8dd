"""Several replies, counts and channels become those of one server."""

from __future__ import annotations

from typing import Any

import pytest

from kiwi_engine.channel.statistics import ChannelStatistics
from kiwi_engine.histogram import Histogram
from kiwi_engine.resp import reply
from kiwi_engine.server.network.local.channel_totals import channel_totals
from kiwi_engine.server.network.local.dispatcher import HANDLERS
from kiwi_engine.server.network.local.monitor import HANDLERS as MONITOR
from kiwi_engine.server.network.local.pubsub import HANDLERS as PUBSUB
from kiwi_engine.server.network.local.shares import SHARES
from kiwi_engine.server.network.spanning.combine import (
    Asked,
    any_killed,
    client_lines,
    primary_alone,
    total,
)
from kiwi_engine.server.network.spanning.rules import RULES

ERROR = reply.error("ERR No such client")


def asked(*words: bytes, resp3: bool = False) -> Asked:
    return Asked(list(words), resp3)


def lines(*numbers: int, resp3: bool = False) -> bytes:
    return reply.verbatim(resp3, b"".join(b"id=%d addr=x:id=9\n" % each for each in numbers))


# Why other commands need no rule.
OWN_CONNECTION = """
    auth client|caching client|getname client|getredir client|id client|info client|no-evict
    client|no-touch client|reply client|setinfo client|setname client|trackinginfo acl|whoami echo
    hello ping quit reset select
"""
SAME_EVERYWHERE = """
    acl|cat acl|dryrun acl|genpass acl|getuser acl|help acl|list acl|users client|help command
    command|count command|docs command|getkeys command|getkeysandflags command|help command|info
    command|list config|get config|help kiwi|help latency|help memory|help memory|malloc-stats
    pubsub|help slowlog|help time
"""
ASKS_STORAGE = """
    bgsave kiwi|backup kiwi|backup-cancel kiwi|backup-status kiwi|gc lastsave save wait waitaof
"""


def test_every_command_is_decided_about() -> None:
    """A new one is to be added here, or to the rules."""
    alone = f"{OWN_CONNECTION} {ASKS_STORAGE} {SAME_EVERYWHERE}".split()
    other_ways = HANDLERS.keys() - RULES.keys() - set(alone)
    # They have their own messages between the processes.
    assert other_ways == {*PUBSUB, *MONITOR, "client|tracking"} - RULES.keys() - {"pubsub|help"}
    assert RULES.keys().isdisjoint(alone)
    assert RULES.keys() <= HANDLERS.keys()
    assert SHARES.keys() <= RULES.keys()


def test_the_primary_decides() -> None:
    assert primary_alone([reply.OK, ERROR], asked(b"CONFIG")) == reply.OK


@pytest.mark.parametrize(
    ("replies", "wanted"),
    [
        ([b":1\r\n", b":0\r\n", b":2\r\n"], b":3\r\n"),
        ([b":0\r\n", ERROR], ERROR),
        ([b":7\r\n"], b":7\r\n"),
    ],
)
def test_sums(replies: list[bytes], wanted: bytes) -> None:
    assert total(replies, asked(b"CLIENT")) == wanted


@pytest.mark.parametrize(
    ("replies", "wanted"),
    [
        ([b":1\r\n", b":0\r\n", b":2\r\n"], b":3\r\n"),
        ([ERROR, reply.OK, ERROR], reply.OK),
        ([ERROR, ERROR, ERROR], ERROR),
    ],
)
def test_killed_is_killed_wherever_it_was(replies: list[bytes], wanted: bytes) -> None:
    assert any_killed(replies, asked(b"CLIENT", b"KILL")) == wanted


def test_lines_of_clients_are_in_order() -> None:
    found = client_lines([lines(1, 10), lines(2), lines(), lines(3, 9)], asked(b"CLIENT", b"LIST"))
    assert found == lines(1, 2, 3, 9, 10)
    one = [lines(4, resp3=True), lines(2, resp3=True)]
    assert client_lines(one, asked(b"CLIENT", b"LIST", resp3=True)) == lines(2, 4, resp3=True)


def test_named_clients_are_in_the_order_of_their_names() -> None:
    words = asked(b"CLIENT", b"LIST", b"id", b"3", b"1", b"8", b"2", b"1")
    assert client_lines([lines(1, 1), lines(2), lines(3)], words) == lines(3, 1, 2, 1)


def test_a_list_that_is_refused() -> None:
    assert client_lines([ERROR, lines(1)], asked(b"CLIENT", b"LIST")) == ERROR


# ---- the channel


def facts(state: str, reason: str, connected: int, **counts: Any) -> dict[str, Any]:
    told = {"connected": connected, **ChannelStatistics().facts(), **counts}
    return {**told, "breaker_state": state, "breaker_reason": reason}


def histogram(*durations_us: int) -> Histogram:
    found = Histogram()
    for each in durations_us:
        found.record_ns(each * 1000)
    return found


def times(*durations_us: int) -> dict[str, list[int]]:
    return {"queue": histogram().state(), "storage": histogram(*durations_us).state()}


def test_one_channel_is_told_as_it_is() -> None:
    only = facts("closed", "", 1, requests_sent=5)
    assert channel_totals([(only, times(3))]) == only


def test_several_channels_are_added_up() -> None:
    parts = [
        (facts("closed", "", 1, requests_sent=5, bytes_peak=7), times(100)),
        (facts("open", "no answer", 1, requests_sent=6, bytes_peak=8), times(10, 10, 20)),
        (facts("half-open", "tries", 1), times()),
    ]
    found = channel_totals(parts)
    assert (found["requests_sent"], found["bytes_peak"]) == (11, 15)
    assert (found["breaker_state"], found["breaker_reason"]) == ("open", "no answer")
    assert (found["storage_us_avg"], found["storage_us_max"]) == (35, 100)
    assert (found["storage_us_p50"], found["storage_us_p999"]) == (16, 100)
    assert (found["queue_us_max"], found["queue_us_avg"]) == (0, 0)
    assert list(found) == list(parts[0][0]), "the order of the fields is kept"


@pytest.mark.parametrize(("states", "wanted"), [((1, 1), 1), ((1, 0), 0)])
def test_connected_are_all_or_none(states: tuple[int, int], wanted: int) -> None:
    parts = [(facts("closed", "", each), times()) for each in states]
    assert channel_totals(parts)["connected"] == wanted


def test_histograms_together_are_that_of_all_durations() -> None:
    first, second = (1, 5, 9_000), (2, 70_000, 3)
    found = Histogram.of([histogram(*first).state(), histogram(*second).state()])
    wanted = histogram(*first, *second)
    assert found.facts("x") == wanted.facts("x")
    assert found.state() == wanted.state()
    assert found.count == wanted.count

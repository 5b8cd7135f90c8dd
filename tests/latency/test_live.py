"""SLOWLOG, LATENCY and MEMORY on a running server."""

from __future__ import annotations

import pytest

from tests.support.client import Client, ErrorReply


@pytest.fixture(autouse=True)
def settings(client: Client) -> None:
    for name, value in (("slowlog-log-slower-than", 10_000), ("latency-monitor-threshold", 0)):
        assert client.command("CONFIG", "SET", name, value) == b"OK"
    client.command("SLOWLOG", "RESET")


def test_slow_commands_of_both_runtimes_tell_where_their_time_went(client: Client) -> None:
    client.command("CLIENT", "SETNAME", "me")
    client.command("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client.command("SET", "k", "v" * 200)
    client.command("PING")
    client.command("CONFIG", "SET", "slowlog-log-slower-than", -1)
    client.command("GET", "k")
    entries = client.command("SLOWLOG", "GET", -1)
    assert [entry[3][0] for entry in entries] == [b"PING", b"SET", b"CONFIG"]
    number, started, execute_us, words, address, name, split = entries[1]
    assert (number, name) == (entries[2][0] + 1, b"me")
    assert words[2].endswith(b"... (72 more bytes)")
    assert address.decode().startswith("127.0.0.1:")
    times = dict(zip(split[::2], split[1::2], strict=True))
    assert times[b"execute"] == execute_us
    assert times[b"sync"] > 0
    assert started > 1_700_000_000


def test_a_single_slow_command_is_found_at_any_threshold(client: Client) -> None:
    client.command("CONFIG", "SET", "latency-monitor-threshold", 20)
    client.command("DEBUG", "SLEEP", "0.03")
    entries = client.command("SLOWLOG", "GET")
    assert [entry[3] for entry in entries] == [[b"DEBUG", b"SLEEP", b"0.03"]]
    ((event, _, last_ms, worst_ms),) = client.command("LATENCY", "LATEST")
    assert event == b"command"
    assert last_ms == worst_ms >= 30
    assert client.command("LATENCY", "HISTORY", "command")[0][1] == worst_ms
    assert b"command - high" in client.command("LATENCY", "GRAPH", "command")
    assert client.command("LATENCY", "RESET") == 1
    assert isinstance(client.command("LATENCY", "GRAPH", "command"), ErrorReply)


def test_histograms_count_every_command_once(client: Client) -> None:
    client.command("CONFIG", "RESETSTAT")
    client.pipeline([("INCR", "n")] * 100)
    client.command("ECHO", "x")
    name, (_, calls, _, buckets) = client.command("LATENCY", "HISTOGRAM", "incr")
    assert (name, calls, buckets[-1]) == (b"incr", 100, 100)
    assert client.command("LATENCY", "HISTOGRAM", "nosuch") == []
    assert b"echo" in client.command("LATENCY", "HISTOGRAM")
    fields = client.info("latencystats")
    assert fields["latency_percentiles_usec_incr"].startswith("p50=")
    client.command("CONFIG", "SET", "latency-tracking", "no")
    assert client.info("latencystats") == {}
    client.command("CONFIG", "SET", "latency-tracking", "yes")


def test_memory(client: Client) -> None:
    client.command("SET", "k", "v")
    flat = client.command("MEMORY", "STATS")
    facts = dict(zip(flat[::2], flat[1::2], strict=True))
    assert facts[b"keys.count"] == client.command("DBSIZE")
    assert 0 < facts[b"write.buffer"] < facts[b"memory.budget"]
    assert facts[b"total.allocated"] <= facts[b"peak.allocated"]
    assert client.command("MEMORY", "DOCTOR") == b"Memory is as it should be."
    assert client.command("MEMORY", "PURGE") == b"OK"
    assert client.command("MEMORY", "USAGE", "k") > 0

"""What the faults judge with, on a server that does not keep its promises."""

from __future__ import annotations

import pytest

from tests.support.client import Client, encode
from tests.support.probes import PING, PROBED, READ, Probes, set_probed
from tests.support.runtime_faults.flood import Flood, run_floods, sets, sets_and_gets
from tests.support.runtime_faults.judged_load import JudgedLoad, load_keys, missing_keys
from tests.support.runtime_faults.trial import memory_peak
from tests.support.servers import ServerProcess, wait_until


def test_keys_that_were_lost_or_changed_are_counted(client: Client) -> None:
    load_keys(client, 1200)
    assert missing_keys(client, 1200) == 0
    client.pipeline([("DEL", "loaded:7"), ("SET", "loaded:1100", "other")])
    assert missing_keys(client, 1200) == 2


def test_a_load_convicts_a_server_that_forgets(server: ServerProcess, client: Client) -> None:
    load = JudgedLoad("1", 2, may_disconnect=False)
    load.start(server.port)
    load.wait_until_served(30)
    load.finish()
    assert load.judge(client) == []
    assert load.acknowledged_count > 0
    assert client.command("FLUSHALL") == b"OK"
    assert any("present key" in violation for violation in load.judge(client))


def test_floods_check_every_reply(server: ServerProcess, client: Client) -> None:
    good = [
        Flood(server.port, *sets("a", 10, 100)),
        Flood(server.port, *sets_and_gets("b", 10_000), is_patient=True),
    ]
    rate, problems = run_floods(good, 0.1)
    assert problems == []
    assert rate > 0
    assert min(flood.received_bytes for flood in good) > 0
    assert client.command("DBSIZE") > 10
    wrong = Flood(server.port, encode("SET", "a", "1") + encode("GET", "a"), b"+OK\r\n$1\r\n2\r\n")
    assert run_floods([wrong], 0.1)[1][0].startswith("wrong replies: b'+OK")


def test_a_flood_that_is_cut_off_says_so(server: ServerProcess, client: Client) -> None:
    flood = Flood(server.port, *sets("a", 10, 100))
    flood.start()
    wait_until(lambda: flood.received_bytes > 0, "replies")
    client.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    (problem,) = flood.end()
    assert problem.startswith("the connection was lost")


def test_probes_tell_a_wrong_answer(server: ServerProcess, client: Client) -> None:
    set_probed(client)
    probes = Probes(server.port, [PING, READ])
    probes.start()
    wait_until(lambda: int(client.info("stats")["total_commands_processed"]) > 50, "probes")
    client.command("SET", PROBED, "other")
    wait_until(lambda: client.info("clients")["connected_clients"] == "2", "the end of one")
    with pytest.raises(AssertionError, match="read: b'other'"):
        probes.stop()


def test_the_peak_is_that_of_each_process(server: ServerProcess, client: Client) -> None:
    peak = memory_peak(server)
    assert client.command("SET", "large", b"x" * (24 << 20)) == b"OK"
    growth = peak.growth()
    assert growth.keys() == {"network", "storage"}
    assert min(growth.values()) > 16 << 20

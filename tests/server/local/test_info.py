"""INFO: sections, their order, sums over both runtimes, and silence about what is not known."""

from __future__ import annotations

import os

import pytest

from kiwi_engine.server.network.local.info_text import format_sections, wants
from kiwi_engine.server.network.local.process_facts import process_facts
from kiwi_engine.server.network.statistics import NetworkStatistics
from tests.server.local.fakes import FakeServer

NO_PROCESS = 2**22 + 1


def info(server: FakeServer, *sections: str) -> dict[str, dict[str, str]]:
    """The fields by section title."""
    answer = server.run(server.connect(), "INFO", *sections)
    text = answer.split(b"\r\n", 1)[1].decode().removesuffix("\r\n")
    found: dict[str, dict[str, str]] = {}
    for block in text.split("\r\n\r\n"):
        title, *lines = block.removesuffix("\r\n").split("\r\n")
        found[title.removeprefix("# ")] = dict(line.split(":", 1) for line in lines)
    return found


def test_default_sections_and_their_order() -> None:
    titles = list(info(FakeServer()))
    assert titles == [
        *("Server", "Clients", "Memory", "Persistence", "Stats", "Replication"),
        *("Commitworker", "Channel", "CPU", "Errorstats", "Cluster", "Keyspace"),
    ]


@pytest.mark.parametrize("word", ["all", "EVERYTHING"])
def test_everything_adds_what_is_long(word: str) -> None:
    server = FakeServer()
    assert set(info(server, word)) == {*info(server), "Commandstats", "Latencystats"}


def test_chosen_sections() -> None:
    server = FakeServer()
    assert list(info(server, "keyspace", "SERVER", "nosuch")) == ["Server", "Keyspace"]
    assert "Commandstats" in info(server, "default", "commandstats")
    assert server.run(server.connect(), "INFO", "nosuch") == b"$0\r\n\r\n"


def test_values_of_storage_are_told_as_they_come() -> None:
    found = info(FakeServer())
    assert found["Persistence"] == {
        "durable_lsn": "7",
        "last_sync_error": "",
        "writes_refused": "0",
    }
    assert found["Keyspace"] == {"db0": "keys=2,expires=1,avg_ttl=900"}
    assert found["Commitworker"] == {"requests_per_group_avg": "1.5"}
    assert found["Channel"] == {"requests_in_flight": "5"}
    assert found["Stats"]["keyspace_hits"] == "3"


def test_server_and_clients() -> None:
    server = FakeServer(maxclients=9, hz=7)
    found = info(server)
    told = found["Server"]
    assert told["process_id"] == told["network_process_id"] == str(os.getpid())
    assert told["storage_process_id"] == str(os.getppid())
    assert (told["uptime_in_seconds"], told["uptime_in_days"]) == ("90000", "1")
    assert (told["redis_version"], told["hz"], told["run_id"]) == ("7.2.4", "7", "a" * 40)
    assert "storage_error" not in told
    assert found["Clients"] == {
        "connected_clients": "1",
        "blocked_clients": "0",
        "pubsub_clients": "0",
        "tracking_clients": "0",
        "maxclients": "9",
        "client_recent_max_input_buffer": "10",
        "client_recent_max_output_buffer": "20",
    }


def test_counters_of_both_runtimes_are_added() -> None:
    server = FakeServer()
    session = server.connect()
    server.run(session, "PING")
    server.run(session, "ECHO")
    server.run(session, "SELECT", "x")
    found = info(server, "all")
    commands = found["Commandstats"]
    assert commands["cmdstat_get"] == (
        "calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,failed_calls=2"
    )
    assert commands["cmdstat_ping"].startswith("calls=2,")
    assert commands["cmdstat_echo"] == (
        "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"
    )
    assert commands["cmdstat_select"].endswith(",rejected_calls=0,failed_calls=1")
    assert found["Errorstats"] == {"errorstat_ERR": "count=4", "errorstat_WRONGTYPE": "count=1"}


def test_without_storage_the_rest_is_told() -> None:
    server = FakeServer()
    server.storage_is_up = False
    server.facts.storage_process_id = None
    found = info(server, "everything")
    assert found["Server"]["storage_error"] == "the storage runtime is down"
    assert "storage_process_id" not in found["Server"]
    assert "Keyspace" not in found
    assert "storage_memory_rss" not in found["Memory"]
    assert found["Memory"]["used_memory_rss"] == found["Memory"]["network_memory_rss"]


def test_memory_tells_that_nothing_is_evicted() -> None:
    # BullMQ warns its user of any other policy, and of none.
    memory = info(FakeServer())["Memory"]
    assert (memory["maxmemory"], memory["maxmemory_policy"]) == ("0", "noeviction")


def test_memory_and_processor_time_are_measured() -> None:
    found = info(FakeServer())
    memory = {name: int(value) for name, value in found["Memory"].items() if value.isdigit()}
    assert memory["used_memory_rss"] == memory["network_memory_rss"] + memory["storage_memory_rss"]
    assert memory["network_memory_rss_peak"] >= memory["network_memory_rss"] > 1_000_000
    cpu = {name: float(value) for name, value in found["CPU"].items()}
    assert cpu["network_cpu_user"] > 0
    assert cpu["used_cpu_user"] == pytest.approx(cpu["network_cpu_user"] + cpu["storage_cpu_user"])


def test_single_mode_counts_its_process_once() -> None:
    server = FakeServer()
    server.facts.storage_process_id = os.getpid()
    memory = info(server)["Memory"]
    assert "storage_memory_rss" not in memory
    assert memory["used_memory_rss"] == memory["network_memory_rss"]


def test_a_process_that_is_gone_has_no_facts() -> None:
    assert process_facts(NO_PROCESS) is None


def test_resp3_tells_a_verbatim_text() -> None:
    server = FakeServer()
    session = server.connect()
    session.resp3 = True
    answer = server.run(session, "INFO", "cluster")
    assert answer == b"=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"


def test_text_cannot_break_the_lines() -> None:
    assert format_sections({"a": {"x": "1\r\n# B\r\ny:2"}}) == b"# A\r\nx:1  # B  y:2\r\n"


def test_which_words_mean_which_section() -> None:
    assert wants([], "server")
    assert not wants([], "commandstats")
    assert wants(["all"], "commandstats")
    assert not wants(["cpu"], "server")


def test_rates_need_two_samples() -> None:
    statistics = NetworkStatistics()
    statistics.sample(0)
    assert statistics.rates() == (0.0, 0.0, 0.0)
    statistics.commands_processed, statistics.input_bytes, statistics.output_bytes = 50, 100, 200
    statistics.sample(500_000_000)
    assert statistics.rates() == (100.0, 200.0, 400.0)
    for tick in range(2, 40):
        statistics.sample(tick * 500_000_000)
    assert statistics.rates() == (0.0, 0.0, 0.0)

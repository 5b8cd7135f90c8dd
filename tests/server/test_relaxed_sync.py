"""The relaxed modes of `appendfsync` are bounded, and INFO shows what a power cut would take."""

from __future__ import annotations

from kiwi_engine.clock import monotonic_ns, sleep
from tests.conftest import StartKiwi
from tests.support.client import Client

_WAIT_NS_MAX = 30_000_000_000


def unsynced_bytes(client: Client) -> int:
    return int(client.info("persistence")["unsynced_bytes"])


def wait_until_synced(client: Client) -> None:
    deadline_ns = monotonic_ns() + _WAIT_NS_MAX
    while unsynced_bytes(client):
        assert monotonic_ns() < deadline_ns, "never synced"
        sleep(0.02)


def test_every_second_syncs_while_clients_write_and_when_they_stop(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(appendfsync="everysec")
    with server.client() as client:
        begun_ns = monotonic_ns()
        written = 0
        while monotonic_ns() - begun_ns < 2_500_000_000:
            assert client.command("SET", f"k{written % 100}", "v") == b"OK"
            written += 1
        info = client.info("everything")
        syncs, groups = int(info["syncs"]), int(info["groups"])
        # Two and a half seconds: there was time for two, and no need for one a group.
        assert 2 <= syncs < groups
        assert int(info["unsynced_ms_max"]) >= 500, "most of a second passes between two of them"
        wait_until_synced(client)
        info = client.info("persistence")
        assert info["durable_lsn"] == info["written_lsn"]
        assert info["unsynced_ms"] == "0"


def test_what_is_not_synced_is_shown_and_a_stricter_mode_syncs_it(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(appendfsync="no", drain_interval=3_600_000)
    with server.client() as client:
        assert client.command("SET", "a", "x" * 1000) == b"OK"
        assert unsynced_bytes(client) > 1000
        assert client.command("CONFIG", "SET", "appendfsync", "always") == b"OK"
        wait_until_synced(client)
        assert client.command("SET", "b", "x") == b"OK"
        assert unsynced_bytes(client) == 0


def test_always_leaves_nothing_unsynced_behind_a_reply(start_kiwi: StartKiwi) -> None:
    server = start_kiwi()
    with server.client() as client:
        for number in range(50):
            assert client.command("SET", f"k{number}", "v" * 100) == b"OK"
            info = client.info("persistence")
            assert (info["unsynced_bytes"], info["written_lsn"]) == ("0", info["durable_lsn"])

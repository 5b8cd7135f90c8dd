"""`maxclients` and the limit of open files: it is raised where it may be, else fewer are served."""

from __future__ import annotations

import logging
import resource
from typing import Any

import msgspec
import pytest

from kiwi_engine.config.settings import Settings
from kiwi_engine.errors import ConfigError
from kiwi_engine.server.network.descriptors import (
    fit_to_descriptors,
    raise_limit,
    refuse_too_many_clients,
)
from tests.conftest import StartKiwi

MORE_THAN_ANY_SYSTEM_ALLOWS = 4_000_000_000


class FakeLimits:
    """The limits of a process that may not raise the hard one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.soft, self.hard = soft, hard
        monkeypatch.setattr(resource, "getrlimit", lambda which: (self.soft, self.hard))
        monkeypatch.setattr(resource, "setrlimit", self._set)

    def _set(self, which: int, limits: tuple[int, int]) -> None:
        soft, hard = limits
        if hard > self.hard != resource.RLIM_INFINITY:
            raise ValueError("not allowed to raise maximum limit")
        self.soft = soft


def settings(**changes: Any) -> Settings:
    return msgspec.structs.replace(Settings(), **changes)


def test_a_limit_that_is_high_enough_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = FakeLimits(monkeypatch, 5000, 5000)
    assert raise_limit(4000) == 5000
    assert limits.soft == 5000


@pytest.mark.parametrize("hard", [20_000, resource.RLIM_INFINITY])
def test_it_is_raised_as_far_as_necessary(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    limits = FakeLimits(monkeypatch, 1024, hard)
    assert raise_limit(12_000) == 12_000
    assert limits.soft == 12_000


def test_without_any_limit_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeLimits(monkeypatch, resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    assert raise_limit(12_000) == 12_000


def test_too_few_descriptors_mean_fewer_clients(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limits = FakeLimits(monkeypatch, 1024, 4096)
    with caplog.at_level(logging.WARNING):
        fitted = fit_to_descriptors(settings(maxclients=10_000))
    assert fitted.maxclients == 4096 - 64
    assert limits.soft == 4096
    assert "maxclients is 4032 instead of 10000" in caplog.text
    single = fit_to_descriptors(settings(maxclients=10_000, runtime_mode="single"))
    assert single.maxclients == 4096 - 64 - 1100
    several = fit_to_descriptors(settings(maxclients=10_000, network_threads=5))
    assert several.maxclients == 4096 - 64 - 4 * 8


def test_without_room_for_anybody_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeLimits(monkeypatch, 64, 64)
    with pytest.raises(ConfigError, match="must be 65 at least"):
        fit_to_descriptors(settings())


def test_a_change_is_refused_if_it_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeLimits(monkeypatch, 1024, 4096)
    too_many = settings(maxclients=10_000)
    assert refuse_too_many_clients(too_many, ["timeout"]) is None
    assert refuse_too_many_clients(settings(maxclients=4000), ["maxclients"]) is None
    assert refuse_too_many_clients(too_many, ["maxclients"]) == (
        "maxclients",
        "The operating system is not able to handle the specified number of clients, try with 4032",
    )


def test_a_server_says_how_many_clients_it_can_have(start_kiwi: StartKiwi) -> None:
    server = start_kiwi(maxclients=MORE_THAN_ANY_SYSTEM_ALLOWS)
    with server.client() as client:
        fitting = int(client.info("clients")["maxclients"])
        assert 0 < fitting < MORE_THAN_ANY_SYSTEM_ALLOWS
        assert f"maxclients is {fitting} instead of" in server.output()
        refusal = client.command("CONFIG", "SET", "maxclients", MORE_THAN_ANY_SYSTEM_ALLOWS)
        assert str(refusal) == (
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating "
            f"system is not able to handle the specified number of clients, try with {fitting}"
        )
        assert client.info("clients")["maxclients"] == str(fitting)
        assert client.command("CONFIG", "SET", "maxclients", 1) == b"OK"
        with server.client() as refused:
            answer = refused.read_until_closed()
            assert answer == b"-ERR max number of clients reached\r\n"
        assert client.info("stats")["rejected_connections"] == "1"
        assert client.command("CONFIG", "SET", "maxclients", 2) == b"OK"
        with server.client() as second:
            assert second.command("PING") == b"PONG"

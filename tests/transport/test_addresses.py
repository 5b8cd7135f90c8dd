"""Which addresses settings mean, and the way from some to others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi_engine.config.settings import Settings
from kiwi_engine.server.network.transport.addresses import (
    Address,
    addresses_of,
    change,
    clash,
    endpoint,
    listener_lines,
)


def wanted(**settings: Any) -> list[Address]:
    return addresses_of(msgspec.structs.replace(Settings(), **settings))


def test_each_port_is_on_every_address() -> None:
    assert wanted(port=1, tls_port=2, bind=("127.0.0.1", "-::1"), unixsocket="/a") == [
        Address("tcp", "127.0.0.1", 1),
        Address("tcp", "-::1", 1),
        Address("tls", "127.0.0.1", 2),
        Address("tls", "-::1", 2),
        Address("unix", "/a"),
    ]


def test_a_port_of_0_is_none() -> None:
    assert wanted(port=0) == []
    assert wanted(port=0, tls_port=2) == [Address("tls", "127.0.0.1", 2)]
    assert wanted(port=0, unixsocket="/a") == [Address("unix", "/a")]


def test_what_is_named_twice_is_taken_once() -> None:
    assert wanted(port=1, bind=("127.0.0.1", "127.0.0.1")) == [Address("tcp", "127.0.0.1", 1)]


@pytest.mark.parametrize(
    ("word", "host", "is_ipv6", "is_optional"),
    [
        ("127.0.0.1", "127.0.0.1", False, False),
        ("-127.0.0.1", "127.0.0.1", False, True),
        ("*", None, False, False),
        ("::*", None, True, False),
        ("-::*", None, True, True),
        ("-::1", "::1", True, True),
        ("db-1.example", "db-1.example", False, False),
    ],
)
def test_words_of_bind(word: str, host: str | None, is_ipv6: bool, is_optional: bool) -> None:
    address = Address("tcp", word, 1)
    assert (address.host, address.is_ipv6, address.is_optional) == (host, is_ipv6, is_optional)


def test_a_path_is_taken_as_it_is() -> None:
    address = Address("unix", "-odd:name")
    assert not address.is_optional
    assert str(address) == "-odd:name"


def test_how_addresses_are_shown() -> None:
    assert endpoint("127.0.0.1", 5) == "127.0.0.1:5"
    assert endpoint("::1", 5) == "[::1]:5"
    assert str(Address("tls", "-::1", 5)) == "[::1]:5 (TLS)"


ADDRESSES = st.builds(
    Address,
    st.sampled_from(["tcp", "tls"]),
    st.sampled_from(["*", "127.0.0.1", "::1", "-::1"]),
    st.integers(1, 3),
)


@given(st.lists(ADDRESSES, unique=True), st.lists(ADDRESSES, unique=True))
def test_a_change_leads_to_what_is_wanted(before: list[Address], after: list[Address]) -> None:
    steps = change(before, after)
    left = set(before) - set(steps.close_first) - set(steps.close_last)
    assert left == set(before) & set(after), "what stays is not touched"
    assert left | set(steps.take) == set(after)
    taken_ports = {address.port for address in steps.take}
    assert taken_ports.isdisjoint(address.port for address in steps.close_last)
    assert taken_ports.issuperset(address.port for address in steps.close_first)


def test_lines_of_info() -> None:
    assert listener_lines(wanted(port=1, tls_port=2, bind=("*", "-::*"), unixsocket="/a")) == {
        "listener0": "name=tcp,bind=*,bind=-::*,port=1",
        "listener1": "name=unix,bind=/a",
        "listener2": "name=tls,bind=*,bind=-::*,port=2",
    }
    assert listener_lines([]) == {}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Address("tcp", "127.0.0.1", 1), Address("tls", "127.0.0.1", 1), True),
        (Address("tcp", "127.0.0.1", 1), Address("tcp", "*", 1), True),
        (Address("tcp", "*", 1), Address("tls", "-*", 1), True),
        (Address("tcp", "::*", 1), Address("tls", "::1", 1), True),
        (Address("tcp", "127.0.0.1", 1), Address("tcp", "127.0.0.1", 2), False),
        (Address("tcp", "127.0.0.1", 1), Address("tcp", "127.0.0.2", 1), False),
        (Address("tcp", "*", 1), Address("tcp", "::*", 1), False),
        (Address("unix", "/a"), Address("unix", "/a"), False),
    ],
)
def test_one_process_listens_only_once_on_a_place(
    one: Address, other: Address, expected: bool
) -> None:
    assert clash(one, other) == clash(other, one) == expected

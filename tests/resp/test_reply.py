"""Encoded replies, in both protocol versions."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest

from kiwi_engine.resp import reply


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (reply.OK, b"OK"),
        (reply.integer(5), 5),
        (reply.integer(1024), 1024),
        (reply.integer(-(2**63)), -(2**63)),
        (reply.bulk(b"a\r\n\x00"), b"a\r\n\x00"),
        (reply.EMPTY_BULK, b""),
        (reply.simple("fine"), b"fine"),
        (reply.null(False), None),
        (reply.null(True), None),
        (reply.null_array(False), None),
        (reply.null_array(True), None),
        (reply.EMPTY_ARRAY, []),
        (reply.bulk_array([b"a", b"bc"]), [b"a", b"bc"]),
        (reply.array([reply.ONE, reply.bulk(b"x")]), [1, b"x"]),
        (reply.mapping(True, [reply.bulk(b"k"), reply.ONE]), {b"k": 1}),
        (reply.mapping(False, [reply.bulk(b"k"), reply.ONE]), [b"k", 1]),
        (reply.set_of(False, [reply.ONE]), [1]),
        (reply.boolean(True, True), True),
        (reply.boolean(True, False), False),
        (reply.boolean(False, True), 1),
        (reply.verbatim(True, b"text"), b"text"),
        (reply.verbatim(False, b"text"), b"text"),
        (reply.push([reply.bulk(b"message")]), [b"message"]),
    ],
)
def test_a_client_reads_what_was_meant(encoded: bytes, value: Any) -> None:
    reader = hiredis.Reader()
    reader.feed(encoded)
    assert reader.gets() == value
    assert not reader.has_data()


def test_the_two_versions_differ() -> None:
    assert reply.set_of(True, [reply.ONE]) == b"~1\r\n:1\r\n"
    assert reply.null_array(False) == b"*-1\r\n"
    assert reply.null(True) == reply.null_array(True) == b"_\r\n"
    assert reply.verbatim(True, b"ab") == b"=6\r\ntxt:ab\r\n"
    assert reply.boolean(True, True) == b"#t\r\n"


def test_an_error_stays_on_its_line() -> None:
    assert reply.error("ERR a\r\nb \udcff") == b"-ERR a  b \xff\r\n"


def test_a_map_needs_pairs() -> None:
    with pytest.raises(AssertionError):
        reply.mapping(True, [reply.ONE])

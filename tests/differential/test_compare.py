"""What the comparison of replies forgives, and what it does not."""

from __future__ import annotations

import pytest

from tests.differential.compare import Verdict, compare, differ_in_place
from tests.differential.harness import Difference, Pair
from tests.differential.runs import shortened
from tests.support.replies import Aggregate, parse, reply_end

SAME, PERMUTED, DIFFERENT = Verdict.SAME, Verdict.PERMUTED, Verdict.DIFFERENT


def array(*items: bytes, kind: bytes = b"*") -> bytes:
    count = len(items) // 2 if kind == b"%" else len(items)
    return b"%b%d\r\n" % (kind, count) + b"".join(items)


def bulk(text: str) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text.encode())


X, Y, Z = map(bulk, "xyz")


def judge(command: str, expected: bytes, actual: bytes, before: bytes = b"") -> Verdict:
    return compare(command.encode().split(), expected, actual, before)


@pytest.mark.parametrize("command", ["get a", "hgetall a", "ttl a", "xinfo stream a", "spop a"])
def test_equal_bytes_are_the_same_and_other_types_are_not(command: str) -> None:
    assert judge(command, b":1\r\n", b":1\r\n") is SAME
    assert judge(command, b":1\r\n", b"$1\r\n1\r\n") is DIFFERENT
    assert judge(command, b"-ERR a\r\n", b"-ERR b\r\n") is DIFFERENT


def test_order_counts_but_for_keys_and_what_may_be_a_hash_table() -> None:
    assert judge("lrange a 0 -1", array(X, Y), array(Y, X)) is DIFFERENT
    assert judge("keys *", array(X, Y), array(Y, X)) is SAME
    assert judge("keys *", array(X, Y), array(Y, Y)) is DIFFERENT
    assert judge("smembers a", array(X, Y, kind=b"~"), array(Y, X, kind=b"~")) is PERMUTED
    assert judge("SMEMBERS a", array(X, Y), array(Y, Z)) is DIFFERENT


def test_pairs_stay_together() -> None:
    expected = array(X, b":1\r\n", Y, b":2\r\n", kind=b"%")
    assert judge("hgetall a", expected, array(Y, b":2\r\n", X, b":1\r\n", kind=b"%")) is PERMUTED
    assert judge("hgetall a", expected, array(Y, b":1\r\n", X, b":2\r\n", kind=b"%")) is DIFFERENT


def test_a_scan_is_compared_by_cursor_and_elements() -> None:
    page = array(bulk("0"), array(X, Y))
    assert judge("scan 0", page, array(bulk("0"), array(Y, X))) is SAME
    assert judge("sscan a 0", page, array(bulk("0"), array(Y, X))) is PERMUTED
    assert judge("sscan a 0", page, array(bulk("3"), array(Y, X))) is DIFFERENT
    assert judge("sscan a 0", page, array(bulk("0"), array(Y))) is DIFFERENT


def test_short_times_may_differ_a_little() -> None:
    assert judge("ttl a", b":100\r\n", b":99\r\n") is SAME
    assert judge("ttl a", b":100\r\n", b":90\r\n") is DIFFERENT
    assert judge("ttl a", b":1\r\n", b":-1\r\n") is DIFFERENT
    times = "hpttl a fields 2 x y"
    assert judge(times, array(b":5000\r\n", b":-1\r\n"), array(b":4000\r\n", b":-1\r\n")) is SAME
    assert judge(times, array(b":5000\r\n"), array(b":4000\r\n", b":-1\r\n")) is DIFFERENT


def test_random_picks_come_from_what_was_there() -> None:
    members = array(X, Y)
    assert judge("spop a", X, Y, members) is SAME
    assert judge("spop a", X, Z, members) is DIFFERENT
    assert judge("spop a 2", array(X, Y), array(Y, Y), members) is DIFFERENT
    assert judge("srandmember a -2", array(X, Y), array(Y, Y), members) is SAME
    assert judge("srandmember a -2", array(X, Y), array(Y), members) is DIFFERENT


def test_random_fields_keep_their_values() -> None:
    whole = array(X, bulk("1"), Y, bulk("2"))
    assert judge("hrandfield a", X, Y, whole) is SAME
    assert judge("hrandfield a", X, bulk("1"), whole) is DIFFERENT
    command = "hrandfield a 1 withvalues"
    assert judge(command, array(X, bulk("1")), array(Y, bulk("2")), whole) is SAME
    assert judge(command, array(X, bulk("1")), array(Y, bulk("1")), whole) is DIFFERENT
    nested = array(array(Y, bulk("2")))
    assert judge(command, array(array(X, bulk("1"))), nested, whole) is SAME
    assert judge(command, array(X, bulk("1")), nested, whole) is DIFFERENT


def test_idle_times_are_not_compared_but_deliveries_are() -> None:
    def pending(idle: bytes, deliveries: bytes) -> bytes:
        return array(array(bulk("1-1"), X, idle, deliveries))

    command = "xpending a g - + 10"
    assert judge(command, pending(b":5\r\n", b":1\r\n"), pending(b":9\r\n", b":1\r\n")) is SAME
    assert judge(command, pending(b":5\r\n", b":1\r\n"), pending(b":5\r\n", b":2\r\n")) is DIFFERENT


def test_facts_of_a_stream_are_compared_but_for_the_moment() -> None:
    def facts(nodes: bytes, length: bytes, delivered: bytes, idle: bytes) -> bytes:
        entry = array(bulk("1-1"), delivered, b":1\r\n")
        consumer = array(bulk("idle"), idle, bulk("pel"), array(entry))
        shown = array(array(bulk("consumers"), array(consumer)))
        names = bulk("radix-tree-nodes"), bulk("length"), bulk("groups")
        return array(names[0], nodes, names[1], length, names[2], shown)

    one = facts(b":2\r\n", b":3\r\n", b":17\r\n", b":4\r\n")
    assert (
        judge("xinfo stream a full", one, facts(b":9\r\n", b":3\r\n", b":8\r\n", b":6\r\n")) is SAME
    )
    other = facts(b":2\r\n", b":4\r\n", b":17\r\n", b":4\r\n")
    assert judge("xinfo stream a full", one, other) is DIFFERENT


def test_odd_cursors_are_forgiven_and_others_are_not() -> None:
    refusal, page = b"-ERR invalid cursor\r\n", array(bulk("0"), array())
    assert compare([b"sscan", b"a", b""], refusal, page) is SAME
    assert compare([b"scan", b"-1"], refusal, page) is SAME
    assert compare([b"sscan", b"a", b"x"], refusal, page) is DIFFERENT
    assert compare([b"sscan", b"a", b""], page, refusal) is DIFFERENT


def test_types_that_are_none_are_forgiven_to_scan() -> None:
    refusal, page = b"-ERR unknown type name 'x'\r\n", array(bulk("0"), array())
    assert compare([b"scan", b"0", b"type", b"x"], refusal, page) is SAME
    assert compare([b"scan", b"0", b"type", b"x"], refusal, b"-ERR syntax error\r\n") is SAME
    assert compare([b"scan", b"0", b"type", b"x"], refusal, b"-ERR other\r\n") is DIFFERENT


def test_names_of_strings() -> None:
    raw, embstr, integer = bulk("raw"), bulk("embstr"), bulk("int")
    assert differ_in_place([b"OBJECT", b"encoding", b"a"], raw, embstr)
    assert differ_in_place([b"object", b"encoding", b"a"], raw, integer)
    assert not differ_in_place([b"object", b"encoding", b"a"], integer, raw)
    assert not differ_in_place([b"object", b"encoding", b"a"], integer, embstr)
    assert not differ_in_place([b"get", b"a"], raw, embstr)


def test_a_list_may_be_called_small_earlier_but_not_later() -> None:
    long, short = b"$9\r\nquicklist\r\n", b"$8\r\nlistpack\r\n"
    assert differ_in_place([b"object", b"encoding", b"a"], long, short)
    assert not differ_in_place([b"object", b"encoding", b"a"], short, long)


def test_replies_are_taken_apart() -> None:
    data = array(X, array(b":1\r\n", b"_\r\n"), b"*-1\r\n")
    assert [reply_end(data, 0), reply_end(data[:-1], 0), reply_end(b"$5\r\nab", 0)] == [
        len(data),
        None,
        None,
    ]
    inner = Aggregate(ord("*"), [b":1\r\n", b"_\r\n"])
    assert parse(data) == Aggregate(ord("*"), [X, inner, b"*-1\r\n"])


class Scripted:
    """A server whose reply to a command depends on whether `trigger` came before it."""

    def __init__(self, trigger: bytes) -> None:
        self._trigger = trigger

    def run_all(self, sequences: list[list[list[bytes]]], resp3: bool) -> list[list[bytes]]:
        return [self._run(commands) for commands in sequences]

    def _run(self, commands: list[list[bytes]]) -> list[bytes]:
        names = [words[0] for words in commands]
        return [
            b":%d\r\n" % (name == b"look" and self._trigger in names[:at])
            for at, name in enumerate(names)
        ]


def test_a_difference_is_found_and_shortened() -> None:
    pair = Pair(Scripted(b"break"), Scripted(b"nothing"))  # type: ignore[arg-type]
    names = [b"a", b"look", b"break", b"b", b"look", b"c"]
    sequence = [[name] for name in names]
    difference = pair.difference([[[b"a"]], sequence], resp3=True)
    assert difference == Difference(sequence, 4, True, b":1\r\n", b":0\r\n")
    assert shortened(pair, difference).sequence == [[b"break"], [b"look"]]
    with pytest.raises(AssertionError, match="RESP2, after"):
        pair.check(sequence)
    pair.check([[b"look"]])

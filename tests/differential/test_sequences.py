"""Random names, patterns and texts against a real redis-server.

Hypothesis draws them from a fixed seed, so that a failure is repeated by running the test again;
the message shows the smallest example that fails.
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential.grammar import Words
from tests.differential.harness import Pair, Server
from tests.support.replies import elements

repeatable: Final = settings(
    max_examples=250,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@repeatable
@given(
    a=st.text("abc", max_size=40) | st.binary(max_size=40).map(lambda data: data.decode("latin-1")),
    b=st.text("abcd", max_size=40),
    options=st.sampled_from(["", "LEN", "IDX", "IDX WITHMATCHLEN", "IDX MINMATCHLEN 2"]),
    resp3=st.booleans(),
)
def test_lcs(redis_pair: Pair, a: str, b: str, options: str, resp3: bool) -> None:
    mset = [b"mset", b"a", a.encode("latin-1"), b"b", b.encode("latin-1")]
    redis_pair.check([mset, [b"lcs", b"a", b"b", *options.encode().split()]], resp3)


@repeatable
@given(
    names=st.lists(st.binary(max_size=3) | st.text("ab*?[]^-\\", max_size=4).map(str.encode)),
    pattern=st.text("ab*?[]^-\\", max_size=8).map(str.encode) | st.binary(max_size=4),
)
def test_glob_patterns(redis_pair: Pair, names: list[bytes], pattern: bytes) -> None:
    redis_pair.check([*([b"set", name, b""] for name in names), [b"keys", pattern]])


@repeatable
@given(
    names=st.sets(st.binary(max_size=3), max_size=60),
    options=st.lists(
        st.sampled_from([[b"match", b"*a*"], [b"count", b"3"], [b"count", b"100"]])
        | st.sampled_from([[b"type", b"string"], [b"type", b"hash"], [b"match", b"?"]]),
        max_size=2,
    ).map(lambda found: [word for one in found for word in one]),
)
def test_a_whole_scan_returns_the_same_keys(
    redis_pair: Pair, names: set[bytes], options: Words
) -> None:
    sets = [[b"set", name, b""] for name in names]
    expected = whole_scan(redis_pair.reference, sets, options)
    actual = whole_scan(redis_pair.ours, sets, options)
    assert sorted(actual) == sorted(expected)


def whole_scan(server: Server, sets: list[Words], options: Words) -> list[bytes]:
    """All keys of a scan; each page repeats the sequence, for a run starts from nothing."""
    cursor, found = b"0", []
    while True:
        ((*_, page),) = server.run_all([[*sets, [b"scan", cursor, *options]]], False)
        shown, names = elements(page)
        found += elements(names)
        cursor = shown.split(b"\r\n")[1]
        if cursor == b"0":
            return found

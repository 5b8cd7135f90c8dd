"""Glob patterns: a table, a second implementation, and hostile patterns."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kiwi_engine.keyspace.glob import compile_glob, is_literal

MATCHES = [
    (b"*", b"anything"), (b"h?llo", b"hello"), (b"h*llo", b"hllo"), (b"h*llo", b"heeello"),
    (b"h[ae]llo", b"hallo"), (b"h[^e]llo", b"hallo"), (b"[a-c]", b"b"), (b"[c-a]", b"b"),
    (b"\\*", b"*"), (b"a\\", b"a\\"), (b"[\\]]", b"]"), (b"[abc", b"c"), (b"[^", b"x"),
    (b"[a-", b"-"), (b"[a-]", b"a"), (b"", b""), (b"a**b", b"axxb"),
    (b"*a*b*", b"xaxbx"), (b"?", b"\n"), (b"*", b"\r\n\xff"), (b"[\xfe-\x01]", b"\xff"),
    (b"*abc", b"ababc"), (b"*ab*ab", b"abab"), (b"[a-\\]", b"]"),
]  # fmt: skip
MISMATCHES = [
    (b"h?llo", b"hllo"), (b"h[^e]llo", b"hello"), (b"*", b""), (b"**", b""), (b"", b"a"),
    (b"\\*", b"a"), (b"[", b"x"), (b"[a-c]", b"d"), (b"*ab*ab", b"aab"), (b"a*a", b"a"),
    (b"abc", b"abcd"), (b"abc", b"ABC"), (b"*abc", b"abcab"), (b"[^a-z]", b"q"), (b"[]", b"x"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), MATCHES)
def test_matches(pattern: bytes, text: bytes) -> None:
    assert compile_glob(pattern)(text)


@pytest.mark.parametrize(("pattern", "text"), MISMATCHES)
def test_does_not_match(pattern: bytes, text: bytes) -> None:
    assert not compile_glob(pattern)(text)


@pytest.mark.parametrize(
    ("pattern", "text"), [(b"ABC", b"abc"), (b"[A-C]x", b"bX"), (b"\\a", b"A"), (b"*L*", b"hello")]
)
def test_case_can_be_ignored(pattern: bytes, text: bytes) -> None:
    assert compile_glob(pattern, ignore_case=True)(text)
    assert not compile_glob(pattern)(text)


def simple_match(pattern: bytes, text: bytes) -> bool:
    """The definition, by recursion: stars, question marks and bytes only."""
    if not pattern:
        return not text
    if pattern[:1] == b"*":
        return any(simple_match(pattern[1:], text[at:]) for at in range(len(text) + 1))
    same = pattern[:1] == b"?" or pattern[:1] == text[:1]
    return bool(text) and same and simple_match(pattern[1:], text[1:])


@given(st.text("ab*?", max_size=8), st.text("abc", min_size=1, max_size=10))
@example("*ab*a", "abab")
@example("a*?b*", "aab")
def test_stars_agree_with_the_definition(pattern: str, text: str) -> None:
    glob, data = pattern.encode(), text.encode()
    assert compile_glob(glob)(data) == simple_match(glob, data)


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_every_pattern_compiles(pattern: bytes, text: bytes) -> None:
    assert compile_glob(pattern)(text) in (True, False)
    if is_literal(pattern):
        assert compile_glob(pattern)(text) == (pattern == text)


def test_many_stars_take_no_exponential_time() -> None:
    """With backtracking between the stars this would outlast the universe, not the time limit."""
    assert not compile_glob(b"*a" * 200 + b"*b")(b"a" * 5000)
    assert compile_glob(b"*a" * 200 + b"*b")(b"a" * 5000 + b"b")

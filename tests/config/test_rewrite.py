"""CONFIG REWRITE: what becomes of the lines of a file."""

from __future__ import annotations

import pytest

from kiwi_engine.config.rewrite import HEADING, rewritten
from kiwi_engine.resp.inline import split_words

HEADING_LINE = HEADING.decode() + "\n"


def rewrite(text: str, users: dict[str, str] | None = None, **values: str) -> str:
    encoded = {name: [value.encode()] for name, value in values.items()}
    lines = {name.encode(): rules.encode().split() for name, rules in (users or {}).items()}
    content = rewritten(text.encode(), encoded, None if users is None else lines)
    return content.decode()


def test_lines_stay_where_they_are() -> None:
    text = '# a\n\nhz 10\n  maxclients  5 \n# hz 7\nunbalanced "x\n'
    assert rewrite(text) == text
    assert rewrite(text, hz="20") == text.replace("hz 10", "hz 20")


def test_a_file_may_lack_its_last_line_end() -> None:
    assert rewrite("hz 10") == "hz 10\n"
    assert rewrite("") == ""


def test_what_is_missing_comes_at_the_end() -> None:
    once = rewrite("# a\n", hz="20")
    assert once == f"# a\n{HEADING_LINE}hz 20\n"
    assert rewrite(once, hz="20", port="1") == f"# a\n{HEADING_LINE}hz 20\nport 1\n"


def test_of_several_lines_one_is_left() -> None:
    assert rewrite("hz 1\nport 5\nHZ 2\n", hz="3") == "hz 3\nport 5\n"


def test_behind_an_include_the_last_word_wins() -> None:
    text = "hz 1\ninclude other\n"
    assert rewrite(text, hz="3") == f"include other\n{HEADING_LINE}hz 3\n"


def test_users_take_the_places_of_their_lines() -> None:
    text = "user a on\nport 1\nuser b on\n"
    assert rewrite(text) == text
    assert rewrite(text, {"a": "off", "c": "on ~x"}) == (
        f"user a off\nport 1\n{HEADING_LINE}user c on ~x\n"
    )


@pytest.mark.parametrize(
    "word",
    [b"", b"two words", b'a"b', b"a'b", b"back\\slash", b"\x00\x07\n\r\x1f\x7f", b"\xff\xc3"],
)
def test_every_word_can_be_read_back(word: bytes) -> None:
    line = rewritten(b"", {"requirepass": [word]}, None).splitlines()[-1]
    assert b"\n" not in line
    assert split_words(line) == [b"requirepass", word]

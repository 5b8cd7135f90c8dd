"""The first line of a library, in Redis' words."""

from __future__ import annotations

import pytest

from kiwi_engine.errors import ReplyError
from kiwi_engine.scripting.functions.library import Function, is_name, read_heading


@pytest.mark.parametrize(
    ("code", "name", "body"),
    [
        (b"#!lua name=lib\nreturn 1", b"lib", b"\nreturn 1"),
        (b"#!LUA   Name='Lib_1'  \n", b"Lib_1", b"\n"),
        (b'#!lua name="a"\n\n', b"a", b"\n\n"),
    ],
)
def test_headings(code: bytes, name: bytes, body: bytes) -> None:
    assert read_heading(code) == (name, body)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (b"", "Missing library metadata"),
        (b"return 1", "Missing library metadata"),
        (b" #!lua name=lib\n", "Missing library metadata"),
        (b"#!lua name=lib", "Invalid library metadata"),
        (b"#!lua name=l\0ib\n", "Invalid library metadata"),
        (b"#!lua name='lib\n", "Invalid library metadata"),
        (b"#!lua\n", "Library name was not given"),
        (b"#!\n", "Library name was not given"),
        (b"#!lua lib\n", "Invalid metadata value given: lib"),
        (b"#!lua name=a NAME=b\n", "Invalid metadata value, name argument was given multiple"),
        (b"#!js name=lib\n", "Engine 'js' not found"),
        (b"#! name=lib\n", "Engine '' not found"),
        (b"#!js name=\n", "Library names can only contain letters, numbers, or underscores(_)"),
        (b"#!lua name=a-b\n", "Library names can only contain letters, numbers, or underscores(_)"),
    ],
)
def test_what_is_no_heading(code: bytes, problem: str) -> None:
    with pytest.raises(ReplyError) as caught:
        read_heading(code)
    assert caught.value.text.startswith(f"ERR {problem}")


def test_names() -> None:
    assert all(is_name(name) for name in (b"a", b"_", b"9", b"A_z0"))
    assert not any(is_name(name) for name in (b"", b"a b", b"a-b", b"\xc3\xa9", b"a\0", b"a\n"))


def test_a_function_writes_unless_it_says_that_it_does_not() -> None:
    assert Function(b"f", None, ()).writes
    assert Function(b"f", None, ("allow-oom",)).writes
    assert not Function(b"f", None, ("no-writes",)).writes

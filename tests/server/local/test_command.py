"""COMMAND: every row is told, in a form that clients can read."""

from __future__ import annotations

import re
from typing import Any

import hiredis
import pytest

from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.commands.table import Command, KeySpec
from kiwi_engine.server.network.local import HANDLERS
from kiwi_engine.server.network.local.command_details import legacy_range, subcommands
from kiwi_engine.server.network.local.synopsis import Argument, parse_synopsis
from tests.server.local.fakes import FakeServer

EVERY_ROW = [pair for row in COMMANDS.values() for pair in ((row, row.name), *subcommands(row))]


def ask(*words: bytes | str | int, resp3: bool = False) -> Any:
    server = FakeServer()
    session = server.connect()
    session.resp3 = resp3
    reader = hiredis.Reader()
    reader.feed(server.run(session, *words))
    return reader.gets()


def test_each_network_row_has_its_handler() -> None:
    containers = {row.name for row in COMMANDS.values() if row.subcommands} - {"command"}
    network = {name for row, name in EVERY_ROW if row.where == "network"} - containers
    # The gate of a connection carries out those of transactions.
    assert set(HANDLERS) == network - {"multi", "exec", "discard"}


def test_all_commands_are_told() -> None:
    names = [name.encode() for name in COMMANDS]
    assert [each[0] for each in ask("COMMAND")] == names
    assert ask("COMMAND", "INFO") == ask("COMMAND")
    assert ask("COMMAND", "LIST") == names
    assert ask("COMMAND", "COUNT") == len(names)
    assert ask("COMMAND", "DOCS")[::2] == names
    assert list(ask("COMMAND", "DOCS", resp3=True)) == names


def test_info_of_unknown_names_is_null() -> None:
    found = ask("COMMAND", "INFO", "nosuch", "CLIENT|List", "client|nosuch", "get|x", "GET")
    assert [each and each[0] for each in found] == [None, b"client|list", None, None, b"get"]


def test_docs_leave_unknown_names_out() -> None:
    assert ask("COMMAND", "DOCS", "nosuch", "client|id")[::2] == [b"client|id"]


def names_of(*words: str) -> set[bytes]:
    return set(ask("COMMAND", "LIST", "FILTERBY", *words))


def test_filters() -> None:
    assert names_of("MODULE", "any") == set()
    assert names_of("pattern", "C*T|L*") == {b"client|list"}
    connection = names_of("ACLCAT", "CONNECTION")
    assert {b"ping", b"client|id", b"command|docs"} <= connection
    assert not {b"client", b"get", b"config"} & connection


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["MSET", "a", "1", "b", "2"], ["a", "b"]),
        (["GET", "k"], ["k"]),
        (["del", "a", "b", "c"], ["a", "b", "c"]),
        (["RENAME", "a", "b"], ["a", "b"]),
        (["OBJECT", "ENCODING", "k"], ["k"]),
    ],
)
def test_getkeys(words: list[str], keys: list[str]) -> None:
    assert ask("COMMAND", "GETKEYS", *words) == [key.encode() for key in keys]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nosuch", "a"], "Invalid command specified"),
        (["CONFIG", "NOSUCH", "x"], "Invalid command specified"),
        (["PING", "x"], "The command has no key arguments"),
        (["GET"], "Invalid number of arguments specified for command"),
    ],
)
def test_getkeys_refused(words: list[str], text: str) -> None:
    for subcommand in ("GETKEYS", "GETKEYSANDFLAGS"):
        error = ask("COMMAND", subcommand, *words)
        assert str(error) == f"ERR {text}"


def test_getkeys_with_flags() -> None:
    found = ask("COMMAND", "GETKEYSANDFLAGS", "RENAME", "a", "b")
    assert [key for key, _ in found] == [b"a", b"b"]
    assert b"delete" in found[0][1]
    for words, flags in (
        (["a", "b"], [b"OW", b"update"]),
        (["a", "b", "gEt"], [b"RW", b"access", b"update"]),
    ):
        assert ask("COMMAND", "GETKEYSANDFLAGS", "SET", *words) == [[b"a", flags]]


@pytest.mark.parametrize("container", ["CLIENT", "COMMAND", "CONFIG"])
def test_help_names_every_subcommand(container: str) -> None:
    lines = b"\n".join(ask(container, "HELP")).decode()
    for row in COMMANDS[container.lower()].subcommands:
        assert f"\n{row.name.upper()}" in lines


def test_legacy_range() -> None:
    assert legacy_range(()) == (0, 0, 0)
    assert legacy_range((KeySpec(1, -1, 2),)) == (1, -1, 2)
    assert legacy_range((KeySpec(1, 1, 1), KeySpec(2, 2, 1))) == (1, 2, 1)
    assert legacy_range((KeySpec(1, 1, 1), KeySpec(2, -1, 1))) == (1, -1, 1)


@pytest.mark.parametrize(("row", "name"), EVERY_ROW, ids=[name for _, name in EVERY_ROW])
def test_each_synopsis_is_understood(row: Command, name: str) -> None:
    arguments = parse_synopsis(row.syntax)
    # Words of a synopsis are lost nowhere: each is the name or the token of some argument.
    assert set(_words(arguments)) == set(re.split(r"[\s<>|\[\].]+", f" {row.syntax} ")[1:-1])


def _words(arguments: tuple[Argument, ...]) -> list[str]:
    found = []
    for argument in arguments:
        found += [argument.token] if argument.token else []
        if argument.type not in ("oneof", "block", "pure-token"):
            found.append(argument.name)
        found += _words(argument.arguments)
    return found


def test_forms_of_a_synopsis() -> None:
    key, value = Argument("key", "key"), Argument("value", "string")
    assert parse_synopsis("key value") == (key, value)
    assert parse_synopsis("[value]") == (Argument("value", "string", is_optional=True),)
    assert parse_synopsis("key [key ...]") == (Argument("key", "key", is_multiple=True),)
    assert parse_synopsis("key value [key value ...]") == (
        Argument("key_value", "block", is_multiple=True, arguments=(key, value)),
    )
    assert parse_synopsis("[NX | XX]") == (
        Argument(
            "nx_xx",
            "oneof",
            is_optional=True,
            arguments=(
                Argument("nx", "pure-token", token="NX"),
                Argument("xx", "pure-token", token="XX"),
            ),
        ),
    )
    assert parse_synopsis("[ID client-id ...]") == (
        Argument("client-id", "integer", token="ID", is_optional=True, is_multiple=True),
    )
    assert parse_synopsis("[LEN] [EX seconds]") == (
        Argument("len", "pure-token", token="LEN", is_optional=True),
        Argument("seconds", "integer", token="EX", is_optional=True),
    )


@pytest.mark.parametrize("text", ["[a", "a]", "...", "[a | ]", "a | b", "<a]", "[]"])
def test_malformed_synopses(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_synopsis(text)

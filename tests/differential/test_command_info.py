"""What the table rows say of each command, against COMMAND INFO of a real server."""

from __future__ import annotations

from typing import Any, Final

import pytest

from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.commands.table import Command, KeySpec
from tests.differential.harness import SocketServer
from tests.support.servers import ServerProcess

# Tips of Redis 7.2 that 7.0, with which the rows are compared, does not have yet.
TIPS_SINCE_7_2: Final[dict[str, tuple[str, ...]]] = {
    "msetnx": (),
    "scan": ("nondeterministic_output", "request_policy:special", "response_policy:special"),
    "randomkey": (
        "request_policy:all_shards",
        "response_policy:special",
        "nondeterministic_output",
    ),
}
STORAGE_COMMANDS: Final = [row for row in COMMANDS.values() if row.where == "storage"]


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return [_text(item) for item in value] if isinstance(value, list) else value


def _facts(info: list[Any]) -> dict[str, Any]:
    """COMMAND INFO without its positions, which are by their place in the array."""
    name, arity, flags, first, last, step, categories, tips, specs, subcommands = info[:10]
    return {
        "name": name.rpartition("|")[2],
        "arity": arity,
        "flags": set(flags),
        "positions": (first, last, step),
        "categories": {category.removeprefix("@") for category in categories},
        "tips": tuple(tips),
        "keys": [_key_spec(spec) for spec in specs],
        "subcommands": {sub[0].rpartition("|")[2]: _facts(sub) for sub in subcommands},
    }


def _key_spec(flat: list[Any]) -> KeySpec:
    spec = dict(zip(flat[::2], flat[1::2], strict=True))
    first = spec["begin_search"][3][1]
    find = dict(zip(spec["find_keys"][3][::2], spec["find_keys"][3][1::2], strict=True))
    last = find["lastkey"] if find["lastkey"] < 0 else first + find["lastkey"]
    return KeySpec(first, last, find["keystep"], tuple(spec["flags"]))


def _row_facts(row: Command) -> dict[str, Any]:
    first = min((spec.first for spec in row.keys), default=0)
    last = max((spec.last for spec in row.keys), default=0)
    step = row.keys[0].step if row.keys else 0
    return {
        "name": row.name,
        "arity": row.arity,
        "flags": set(row.flags),
        "positions": (first, last, step),
        "categories": set(row.categories),
        "tips": row.tips,
        "keys": list(row.keys),
        "subcommands": {sub.name: _row_facts(sub) for sub in row.subcommands},
    }


@pytest.fixture(scope="session")
def redis_info(redis_process: ServerProcess) -> dict[str, dict[str, Any]]:
    with redis_process.client() as client:
        names = [row.name for row in STORAGE_COMMANDS]
        infos = _text(client.command("COMMAND", "INFO", *names))
    return {info[0]: _facts(info) for info in infos}


@pytest.mark.parametrize("row", STORAGE_COMMANDS, ids=lambda row: row.name)
def test_rows_agree_with_redis(row: Command, redis_info: dict[str, dict[str, Any]]) -> None:
    expected = redis_info[row.name]
    if row.name in TIPS_SINCE_7_2:
        assert expected["tips"] != TIPS_SINCE_7_2[row.name], "the exception is no longer needed"
        expected = {**expected, "tips": TIPS_SINCE_7_2[row.name]}
    assert _row_facts(row) == expected


def test_every_string_and_generic_key_command_is_served(redis_reference: SocketServer) -> None:
    """Nothing of the string family is forgotten: the server itself lists it."""
    reply = redis_reference.pipeline([[b"COMMAND", b"LIST", b"FILTERBY", b"ACLCAT", b"string"]])
    listed = {word.decode() for word in reply[0].split(b"\r\n")[2::2]}
    assert listed <= COMMANDS.keys()

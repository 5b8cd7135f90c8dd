"""What the table rows say of each command, against COMMAND INFO of real servers.

The rows are those of Redis 7.2, which lies between the two servers: a row must agree with Redis 7.0
or with Valkey, part by part.
"""

from __future__ import annotations

from typing import Any, Final

import hiredis
import pytest

from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.commands.table import Command
from kiwi_engine.server.network.local.command_details import info_reply
from tests.support.servers import ServerProcess

STORAGE_COMMANDS: Final = [row for row in COMMANDS.values() if row.where == "storage"]
_PARTS: Final = (
    "name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "keys",
)  # fmt: skip
# Redis 7.4 has them, Valkey has its own: it spends no memory on HEXPIRE, and its HTTL has no tip.
_PARTS_OF_OTHERS: Final = {"flags", "tips"}


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return [_text(item) for item in value] if isinstance(value, list) else value


def _facts(info: list[Any]) -> dict[str, Any]:
    """COMMAND INFO without its positions; flags and categories have no order."""
    parts = dict(zip(_PARTS, info, strict=False))
    parts["flags"] = sorted(parts["flags"])
    parts["categories"] = sorted(parts["categories"])
    parts["keys"] = [_key_spec(spec) for spec in parts["keys"]]
    subcommands = sorted(_facts(each)["name"] for each in info[9])
    return {**parts, "subcommands": subcommands}


def _key_spec(flat: list[Any]) -> dict[str, Any]:
    """Without the notes, which are prose."""
    spec = dict(zip(flat[::2], flat[1::2], strict=True))
    spec.pop("notes", None)
    return {**spec, "flags": sorted(spec["flags"])}


def _all_infos(process: ServerProcess) -> dict[str, dict[str, Any]]:
    """Of each storage command, and of each of its subcommands."""
    with process.client() as client:
        names = [row.name for row in STORAGE_COMMANDS]
        infos = [info for info in _text(client.command("COMMAND", "INFO", *names)) if info]
    infos += [sub for info in infos for sub in info[9]]
    return {info[0]: _facts(info) for info in infos}


@pytest.fixture(scope="session")
def redis_info(redis_process: ServerProcess) -> dict[str, dict[str, Any]]:
    return _all_infos(redis_process)


@pytest.fixture(scope="session")
def valkey_info(valkey_process: ServerProcess) -> dict[str, dict[str, Any]]:
    return _all_infos(valkey_process)


def _rows() -> dict[str, Command]:
    rows = {row.name: row for row in STORAGE_COMMANDS}
    return rows | {
        f"{row.name}|{each.name}": each for row in STORAGE_COMMANDS for each in row.subcommands
    }


ROWS: Final = _rows()


@pytest.mark.parametrize("name", ROWS)
def test_rows_agree_with_a_real_server(
    name: str,
    redis_info: dict[str, dict[str, Any]],
    valkey_info: dict[str, dict[str, Any]],
) -> None:
    reader = hiredis.Reader()
    reader.feed(info_reply(ROWS[name], name, False))
    ours = _facts(_text(reader.gets()))
    known = [infos[name] for infos in (redis_info, valkey_info) if name in infos]
    assert known, "no server knows this command"
    parts = set(ours) - (_PARTS_OF_OTHERS if ROWS[name].since.startswith("7.4") else set())
    differing = {
        part: (said, [one[part] for one in known])
        for part, said in ours.items()
        if part in parts and said not in [one[part] for one in known]
    }
    assert differing == {}

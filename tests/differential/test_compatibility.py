"""Nothing of Redis 7.2 is missing: the commands served, against COMMAND LIST of a real server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from kiwi_engine.commands.registry import COMMANDS
from tests.differential.families import FAMILIES
from tests.differential.harness import SocketServer
from tests.differential.test_tables import DIRECTORY
from tests.support.command_lines import commands_of
from tests.support.replies import elements, parse, text_of
from tests.support.servers import ROOT

CATEGORIES: Final = (
    "string", "keyspace", "hash", "list", "set", "sortedset", "bitmap", "hyperloglog", "geo",
    "stream", "pubsub",
)  # fmt: skip
# It needs another server.
NOT_YET: Final = frozenset(("migrate",))
# What Valkey has beyond Redis 7.2 and the deadlines of hash fields.
ONLY_VALKEY: Final = frozenset(
    ("hgetdel", "hgetex", "hsetex", "delifeq", "msetex", "clusterscan", "cluster|flushslot")
)


def served() -> set[str]:
    """Every command, and every subcommand as `container|name`."""
    names = set(COMMANDS)
    return names | {f"{name}|{sub.name}" for name in names for sub in COMMANDS[name].subcommands}


@pytest.fixture(scope="session")
def listed(valkey_reference: SocketServer) -> dict[str, set[str]]:
    """What a server of today has in each category."""
    questions = [
        [b"COMMAND", b"LIST", b"FILTERBY", b"ACLCAT", name.encode()] for name in CATEGORIES
    ]
    replies = valkey_reference.pipeline(questions)
    return {
        name: {text_of(parse(element)).decode() for element in elements(reply)}
        for name, reply in zip(CATEGORIES, replies, strict=True)
    }


def test_every_command_of_the_data_types_is_served(listed: dict[str, set[str]]) -> None:
    missing = set().union(*listed.values()) - served()
    assert missing == NOT_YET | ONLY_VALKEY


def test_the_page_tells_of_every_command(listed: dict[str, set[str]]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    told = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    expected = {
        name.upper().replace("|", " ")
        for name in set().union(*listed.values()) - NOT_YET - ONLY_VALKEY
    }
    assert expected <= told


def test_every_storage_command_is_compared() -> None:
    compared = {name for family in FAMILIES for name in family.grammar.names}
    for path in Path(DIRECTORY).glob("*.txt"):
        for line in path.read_text().splitlines():
            compared |= {words[0].decode().lower() for words in commands_of(line) if words}
    served_by_storage = {name for name, row in COMMANDS.items() if row.where == "storage"}
    assert served_by_storage - compared == set()

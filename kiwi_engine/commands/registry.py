"""All commands by name (pure).

Merges the tables of the command families. `lookup` is on the path of every command, so the
spellings that clients really use are remembered; the memory for them is bounded, because the case
of a name is the client's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kiwi_engine.commands.bitmaps import bitfields
from kiwi_engine.commands.bitmaps import bits as bitmaps
from kiwi_engine.commands.generic import (
    dump_restore,
    expire,
    keys,
    memory,
    object_inspection,
    scan,
    sort,
)
from kiwi_engine.commands.geo import positions as geo
from kiwi_engine.commands.geo import search as geo_search
from kiwi_engine.commands.hashes import counters as hashes_counters
from kiwi_engine.commands.hashes import expiry as hashes_expiry
from kiwi_engine.commands.hashes import fields as hashes
from kiwi_engine.commands.hashes import walks as hashes_walks
from kiwi_engine.commands.hyperloglog import sketches as hyperloglog
from kiwi_engine.commands.lists import blocking as lists_blocking
from kiwi_engine.commands.lists import edits as lists_edit
from kiwi_engine.commands.lists import ends as lists
from kiwi_engine.commands.lists import moves as lists_move
from kiwi_engine.commands.scripting import (
    evaluate,
    fcall,
    function_container,
    script_container,
)
from kiwi_engine.commands.server import (
    acl_table,
    connection_table,
    databases,
    debug,
    latency_table,
    pubsub_table,
    tracking_table,
    waiting_table,
)
from kiwi_engine.commands.sets import algebra as sets_algebra
from kiwi_engine.commands.sets import members as sets
from kiwi_engine.commands.sets import picks as sets_random
from kiwi_engine.commands.sorted_sets import algebra as sorted_sets_algebra
from kiwi_engine.commands.sorted_sets import blocking as sorted_sets_blocking
from kiwi_engine.commands.sorted_sets import members as sorted_sets
from kiwi_engine.commands.sorted_sets import picks as sorted_sets_picks
from kiwi_engine.commands.sorted_sets import ranges as sorted_sets_ranges
from kiwi_engine.commands.streams import claims as streams_claim
from kiwi_engine.commands.streams import entries as streams
from kiwi_engine.commands.streams import groups as streams_groups
from kiwi_engine.commands.streams import information as streams_info
from kiwi_engine.commands.streams import reading as streams_read
from kiwi_engine.commands.strings import counters, lcs
from kiwi_engine.commands.strings import many as strings_many
from kiwi_engine.commands.strings import ranges as strings_ranges
from kiwi_engine.commands.strings import whole as strings
from kiwi_engine.commands.table import Command
from kiwi_engine.commands.transactions import watching as transactions

SPELLINGS_MAX: Final = 4096

_TABLES: Final = (
    strings.TABLE,
    strings_many.TABLE,
    strings_ranges.TABLE,
    counters.TABLE,
    lcs.TABLE,
    hashes.TABLE,
    hashes_counters.TABLE,
    hashes_expiry.TABLE,
    hashes_walks.TABLE,
    sets.TABLE,
    sets_random.TABLE,
    sets_algebra.TABLE,
    sorted_sets.TABLE,
    sorted_sets_ranges.TABLE,
    sorted_sets_picks.TABLE,
    sorted_sets_algebra.TABLE,
    sorted_sets_blocking.TABLE,
    keys.TABLE,
    expire.TABLE,
    scan.TABLE,
    object_inspection.TABLE,
    dump_restore.TABLE,
    memory.TABLE,
    databases.TABLE,
    debug.TABLE,
    lists.TABLE,
    lists_edit.TABLE,
    lists_move.TABLE,
    lists_blocking.TABLE,
    sort.TABLE,
    bitmaps.TABLE,
    bitfields.TABLE,
    hyperloglog.TABLE,
    geo.TABLE,
    geo_search.TABLE,
    streams.TABLE,
    streams_read.TABLE,
    streams_groups.TABLE,
    streams_claim.TABLE,
    streams_info.TABLE,
    transactions.TABLE,
    latency_table.TABLE,
    evaluate.TABLE,
    script_container.TABLE,
    fcall.TABLE,
    function_container.TABLE,
    connection_table.TABLE,
    tracking_table.TABLE,
    pubsub_table.TABLE,
    waiting_table.TABLE,
    acl_table.TABLE,
)


def _merge(tables: tuple[tuple[Command, ...], ...]) -> dict[str, Command]:
    """Every row by its lower-case name; two rows of one name are a bug."""
    merged: dict[str, Command] = {}
    for row in (row for table in tables for row in table):
        assert row.name not in merged, f"command {row.name} has two rows"
        merged[row.name] = row
    return merged


# Every command by its lower-case name, in the order of the families.
COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(_merge(_TABLES))

_by_lower_name: Final = {name.encode(): row for name, row in COMMANDS.items()}
_by_spelling: Final = dict(_by_lower_name)


# The command with exactly this spelling, or None where `lookup` has to be asked.
spelled: Final = _by_spelling.get


def lookup(name: bytes) -> Command | None:
    """The command called `name` in any mixture of cases, or None."""
    found = _by_spelling.get(name)
    if found is not None:
        return found
    found = _by_lower_name.get(name.lower())
    if found is not None and len(_by_spelling) < SPELLINGS_MAX:
        _by_spelling[name] = found
    return found


def lookup_subcommand(container: Command, word: bytes) -> Command | None:
    """The subcommand of `container` called `word` in any mixture of cases, or None."""
    name = word.lower()
    for row in container.subcommands:
        if row.name.encode() == name:
            return row
    return None

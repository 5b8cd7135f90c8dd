"""The compatibility table of docs/commands.md, derived from the registry (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from kiwi_engine.commands.registry import COMMANDS
from kiwi_engine.commands.table import Command, arity_accepts

TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "string": "Strings",
        "bitmap": "Bitmaps",
        "hyperloglog": "HyperLogLog",
        "list": "Lists",
        "set": "Sets",
        "hash": "Hashes",
        "sorted-set": "Sorted sets",
        "geo": "Geo",
        "stream": "Streams",
        "generic": "Keys",
        "transactions": "Transactions",
        "scripting": "Scripts and functions",
        "pubsub": "Pub/sub",
        "connection": "Connection",
        "server": "Server",
    }
)

# What a user of Redis would not expect; keyed by full name. Longer stories are told in the page.
NOTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "acl load": "closes the connections of users that are gone, as Redis 7.4 does",
        "acl setuser": "names of users are UTF-8",
        "config set": "the keys marked live in [configuration](configuration.md)",
        "debug": "`SLEEP` only, and only if `enable-debug-command` allows it",
        "function flush": "both modes free at once",
        "function list": "libraries in the order in which they were loaded; after a start, by name",
        "eval": "of the commands without data only ECHO, PING, PUBLISH, SELECT, SPUBLISH and TIME",
        "incrbyfloat": "counts as Redis does on x86-64, on every machine",
        "memory usage": "bytes on the disk, before compression",
        "object encoding": "of a string: what Redis says after a restart",
        "object freq": "refused, as by Redis without an LFU policy",
        "object idletime": "known of the last 50,000 keys used; of others, how long they were not",
        "bgsave": "renews the [backup](operations.md#backup) in `backup-dir`",
        "latency histogram": "of commands in large pipelines: their mean, see [decision 15]"
        "(decisions/0015-rows-are-timed.md)",
        "memory malloc-stats": "there are none, as in Redis without jemalloc",
        "memory stats": "the fields that mean something here",
        "slowlog get": "a seventh element: microseconds of queue, execution and sync",
        "save": "as BGSAVE, and waits; other clients do not",
        "script debug": "there is no debugger",
        "script flush": "both modes free at once",
        "shutdown": "SAVE makes a backup first; without it nothing needs saving",
        "pfselftest": "tries 10,000 elements, not ten million",
        "xadd": "`~` trims to nodes of `stream-node-max-entries`, whatever their size in bytes",
        "xinfo consumers": "a consumer that asks in vain is seen once a second",
        "xinfo stream": "`radix-tree-keys` and `-nodes` are what a stream of its length might have",
        "xtrim": "`~` trims to nodes of `stream-node-max-entries`, whatever their size in bytes",
    }
)
# Between these lines of the page stands the table.
_BEGIN: Final = "<!-- generated: scripts/make_documents.py -->\n"
_END: Final = "<!-- end of the generated part -->\n"


def compatibility_table() -> str:
    """Markdown: one table a group, one line a command or subcommand."""
    rows = dict(_rows())
    groups = {row.group for row in rows.values()}
    assert groups <= set(TITLES), f"a title is missing: {groups - set(TITLES)}"
    assert set(NOTES) <= set(rows), "a note is for a command that exists"
    parts = []
    for group, title in TITLES.items():
        parts.append(f"### {title}\n\n")
        parts.append("| Command | Since Redis | Cost | Differs |\n|---|---|---|---|\n")
        listed = sorted(name for name, row in rows.items() if row.group == group)
        parts.append("".join(_line(name, rows[name]) for name in listed) + "\n")
    return "".join(parts)


def _rows() -> Iterator[tuple[str, Command]]:
    for command in COMMANDS.values():
        # A container that cannot be called alone is listed by its subcommands only.
        if not command.subcommands or arity_accepts(command.arity, 1):
            yield command.name, command
        for row in command.subcommands:
            yield f"{command.name} {row.name}", row


def _line(name: str, row: Command) -> str:
    return f"| `{name.upper()}` | {row.since} | {row.complexity} | {NOTES.get(name, '')} |\n"


def replace_table(page: str, table: str) -> str:
    """`page` with what stands between its two markers replaced."""
    before, found_begin, rest = page.partition(_BEGIN)
    _, found_end, after = rest.partition(_END)
    assert found_begin and found_end, "the page has lost its markers"
    return f"{before}{_BEGIN}\n{table}{_END}{after}"

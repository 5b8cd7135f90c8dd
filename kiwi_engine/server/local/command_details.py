"""A table row as `COMMAND INFO` and `COMMAND DOCS` tell it (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from kiwi_engine.commands.table import Command, KeySpec
from kiwi_engine.resp import reply
from kiwi_engine.server.local.synopsis import Argument, parse_synopsis


def text(word: str) -> bytes:
    """A bulk string."""
    return reply.bulk(word.encode())


def info_reply(row: Command, name: str, resp3: bool) -> bytes:
    """The ten elements of one command; `name` is the full one."""
    first, last, step = legacy_range(row.keys)
    categories = sorted(f"@{category}" for category in row.categories)
    return reply.array(
        [
            text(name),
            reply.integer(row.arity),
            _statuses(resp3, sorted(row.flags)),
            reply.integer(first),
            reply.integer(last),
            reply.integer(step),
            _statuses(resp3, categories),
            reply.set_of(resp3, [text(tip) for tip in row.tips]),
            reply.set_of(resp3, [_key_spec(spec, resp3) for spec in row.keys]),
            reply.array([info_reply(each, full, resp3) for each, full in subcommands(row)]),
        ]
    )


def docs_reply(row: Command, name: str, resp3: bool) -> bytes:
    """The map of one command's documentation; `name` is the full one."""
    flat = [
        *(text("summary"), text(row.summary)),
        *(text("since"), text(row.since)),
        *(text("group"), text(row.group)),
        *(text("complexity"), text(row.complexity)),
    ]
    arguments = _arguments_of(row.syntax)
    if arguments:
        flat += (text("arguments"), _Arguments(len(row.keys), resp3).reply(arguments))
    if row.subcommands:
        inner = [
            part
            for each, full in subcommands(row)
            for part in (text(full), docs_reply(each, full, resp3))
        ]
        flat += (text("subcommands"), reply.mapping(resp3, inner))
    return reply.mapping(resp3, flat)


def subcommands(row: Command) -> list[tuple[Command, str]]:
    """The subcommands of a row, each with its full name."""
    return [(each, f"{row.name}|{each.name}") for each in row.subcommands]


def legacy_range(specs: tuple[KeySpec, ...]) -> tuple[int, int, int]:
    """First key, last key and step as one range, for clients that know no specifications.

    Source: `populateCommandLegacyRangeSpec` in Redis; a negative last key is the largest.
    """
    if not specs:
        return (0, 0, 0)
    first = min(spec.first for spec in specs)
    ends = [spec.last for spec in specs]
    negative = [end for end in ends if end < 0]
    return (first, max(negative) if negative else max(ends), specs[0].step)


@cache
def _arguments_of(syntax: str) -> tuple[Argument, ...]:
    return parse_synopsis(syntax)


def _statuses(resp3: bool, words: Iterable[str]) -> bytes:
    return reply.set_of(resp3, [reply.simple(word) for word in words])


def _key_spec(spec: KeySpec, resp3: bool) -> bytes:
    # Here, unlike in the legacy range, the last key counts from the first.
    last = spec.last - spec.first if spec.last >= 0 else spec.last
    begin = reply.mapping(resp3, [text("index"), reply.integer(spec.first)])
    span = (("lastkey", last), ("keystep", spec.step), ("limit", 0))
    find = [part for name, n in span for part in (text(name), reply.integer(n))]
    return reply.mapping(
        resp3,
        [
            *(text("flags"), _statuses(resp3, spec.flags)),
            text("begin_search"),
            reply.mapping(resp3, [text("type"), text("index"), text("spec"), begin]),
            text("find_keys"),
            reply.mapping(
                resp3, [text("type"), text("range"), text("spec"), reply.mapping(resp3, find)]
            ),
        ],
    )


class _Arguments:
    """Encodes the arguments of one command and counts its keys on the way."""

    def __init__(self, key_specs_count: int, resp3: bool) -> None:
        self._key_specs_count = key_specs_count
        self._resp3 = resp3
        self._keys_count = 0

    def reply(self, arguments: tuple[Argument, ...]) -> bytes:
        return reply.array([self._one(argument) for argument in arguments])

    def _one(self, argument: Argument) -> bytes:
        flat = [text("name"), text(argument.name), text("type"), text(argument.type)]
        if argument.type not in ("oneof", "block"):
            flat += (text("display_text"), text(argument.name))
        if argument.type == "key" and self._key_specs_count:
            index = min(self._keys_count, self._key_specs_count - 1)
            flat += (text("key_spec_index"), reply.integer(index))
            self._keys_count += 1
        if argument.token:
            flat += (text("token"), text(argument.token))
        flags = [("optional", argument.is_optional), ("multiple", argument.is_multiple)]
        present = [flag for flag, is_set in flags if is_set]
        if present:
            flat += (text("flags"), _statuses(self._resp3, present))
        if argument.arguments:
            flat += (text("arguments"), self.reply(argument.arguments))
        return reply.mapping(self._resp3, flat)

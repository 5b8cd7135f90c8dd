"""A table row as `COMMAND INFO` and `COMMAND DOCS` tell it (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from kiwi_engine.commands.table import Command, KeySpec
from kiwi_engine.resp import reply
from kiwi_engine.server.network.local.synopsis import Argument, parse_synopsis


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

    Only ranges at known positions count, and those that leave no gap between them. Source:
    `populateCommandLegacyRangeSpec` in Redis.
    """
    ranges = [spec for spec in specs if not (spec.keyword or spec.counted or spec.unknown)]
    if len(specs) == 1 and ranges:
        return (ranges[0].first, ranges[0].last, ranges[0].step)
    first = last = 0
    for spec in ranges:
        if spec.step != 1 or spec.limit or (last and last != spec.first - 1):
            continue
        first = min(first or spec.first, spec.first)
        # As unsigned: a last key counted from the end lies behind all others.
        last = max(last, spec.last, key=lambda position: position % 2**32)
    return (first, last, 1) if first else (0, 0, 0)


@cache
def _arguments_of(syntax: str) -> tuple[Argument, ...]:
    return parse_synopsis(syntax)


def _statuses(resp3: bool, words: Iterable[str]) -> bytes:
    return reply.set_of(resp3, [reply.simple(word) for word in words])


def _key_spec(spec: KeySpec, resp3: bool) -> bytes:
    flat = [
        *(text("flags"), _statuses(resp3, spec.flags)),
        *(text("begin_search"), _begin_search(spec, resp3)),
        *(text("find_keys"), _find_keys(spec, resp3)),
    ]
    return reply.mapping(resp3, flat)


def _begin_search(spec: KeySpec, resp3: bool) -> bytes:
    if spec.keyword:
        flat = (text("keyword"), text(spec.keyword), text("startfrom"), reply.integer(spec.first))
        return _search("keyword", flat, resp3)
    if not spec.first:
        return _search("unknown", (), resp3)
    return _search("index", (text("index"), reply.integer(spec.first)), resp3)


def _find_keys(spec: KeySpec, resp3: bool) -> bytes:
    if spec.unknown:
        return _search("unknown", (), resp3)
    if spec.counted:
        span = (("keynumidx", 0), ("firstkey", 1), ("keystep", spec.step))
    else:
        # Here, unlike in the legacy range, the last key counts from the first.
        is_absolute = spec.last >= 0 and not spec.keyword
        last = spec.last - spec.first if is_absolute else spec.last
        span = (("lastkey", last), ("keystep", spec.step), ("limit", spec.limit))
    flat = [part for name, n in span for part in (text(name), reply.integer(n))]
    return _search("keynum" if spec.counted else "range", flat, resp3)


def _search(kind: str, flat: Sequence[bytes], resp3: bool) -> bytes:
    inner = reply.mapping(resp3, flat)
    return reply.mapping(resp3, [text("type"), text(kind), text("spec"), inner])


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

"""The text of INFO from its sections (pure).

A section is a mapping of fields to values; a value that is itself a mapping is printed as
`name=value,name=value`. Which sections a request means follows Redis: none is `default`; `all` and
`everything` add what `default` leaves out because it is long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kiwi_engine.histogram import percentile_us

Sections = dict[str, dict[str, Any]]

# What comes first and last; sections that are not named here stand between.
_FIRST: Final = (
    "server",
    "clients",
    "memory",
    "persistence",
    "stats",
    "replication",
    "runtime",
    "commitworker",
    "valuelog",
    "rocksdb",
    "channel",
    "backpressure",
    "hotkeys",
)
_LAST: Final = ("cpu", "commandstats", "errorstats", "latencystats", "cluster", "keyspace")
_NOT_DEFAULT: Final = {"commandstats", "latencystats"}
_ALL: Final = {"all", "everything"}
_TITLES: Final = {"cpu": "CPU", "tls": "TLS"}


def wants(requested: Iterable[str], section: str) -> bool:
    """Whether a request with these (lower-case) words means `section`."""
    words = set(requested) or {"default"}
    if words & _ALL or section in words:
        return True
    return "default" in words and section not in _NOT_DEFAULT


def merge(*parts: Mapping[str, Mapping[str, Any]]) -> Sections:
    """One set of sections from several; a field of a later part replaces an equal one."""
    merged: Sections = {}
    for part in parts:
        for section, fields in part.items():
            merged.setdefault(section, {}).update(fields)
    return merged


def format_sections(sections: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The text that INFO answers."""
    between = [name for name in sections if name not in _FIRST and name not in _LAST]
    order = [name for name in (*_FIRST, *between, *_LAST) if name in sections]
    return b"\r\n".join(_section(name, sections[name]) for name in order)


def command_fields(counters: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, Any]:
    """`cmdstat_` fields, the counters of several runtimes added up."""
    sums: dict[str, dict[str, int]] = {}
    for part in counters:
        for command, facts in part.items():
            total = sums.setdefault(command, {})
            for name, number in facts.items():
                total[name] = total.get(name, 0) + number
    return {f"cmdstat_{command}": _command_field(sums[command]) for command in sorted(sums)}


def _command_field(facts: Mapping[str, int]) -> dict[str, Any]:
    calls, usec = facts["calls"], facts["usec"]
    return {
        "calls": calls,
        "usec": usec,
        "usec_per_call": f"{usec / calls if calls else 0:.2f}",
        "rejected_calls": facts["rejected_calls"],
        "failed_calls": facts["failed_calls"],
    }


def error_fields(counters: Iterable[Mapping[str, int]]) -> dict[str, Any]:
    """`errorstat_` fields, the counts of several runtimes added up."""
    sums: dict[str, int] = {}
    for part in counters:
        for word, number in part.items():
            sums[word] = sums.get(word, 0) + number
    return {f"errorstat_{word}": {"count": sums[word]} for word in sorted(sums)}


def latency_fields(counts: Mapping[str, list[int]], percents: Iterable[float]) -> dict[str, Any]:
    """A `latency_percentiles_usec_` field a command: upper bounds in microseconds."""
    wanted = list(percents)
    return {
        f"latency_percentiles_usec_{command}": {
            f"p{percent:.10g}": f"{percentile_us(counts[command], percent):.3f}"
            for percent in wanted
        }
        for command in sorted(counts)
        if wanted
    }


def _section(name: str, fields: Mapping[str, Any]) -> bytes:
    lines = [f"# {_TITLES.get(name, name.capitalize())}"]
    lines += [f"{field}:{_value(value)}" for field, value in fields.items()]
    return b"".join(line.encode("utf-8", "surrogateescape") + b"\r\n" for line in lines)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={_value(inner)}" for name, inner in value.items())
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value).replace("\r", " ").replace("\n", " ")
